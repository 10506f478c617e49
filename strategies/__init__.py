"""The server: aggregation rules, cohorts, rounds. A short name stands for an import path."""

NAMES = {
    "fedavg": "strategies.fedavg:FedAvg",
    "median": "strategies.median:Median",
    "trimmed_mean": "strategies.trimmed_mean:TrimmedMean",
    "sparsefed": "strategies.sparsefed:SparseFed",
    "norm_clipping": "strategies.norm_clipping:NormClipping",
    "krum": "strategies.krum:Krum",
    "multi_krum": "strategies.krum:MultiKrum",
    "geometric_median": "strategies.geometric_median:GeometricMedian",
    "centred_clipping": "strategies.centred_clipping:CentredClipping",
    "bucketing": "strategies.bucketing:Bucketing",
    "nnm": "strategies.nnm:NNM",
    "fltrust": "strategies.fltrust:FLTrust",
    "fedavgm": "strategies.server_optimisers:FedAvgM",
    "fedadam": "strategies.server_optimisers:FedAdam",
    "flower": "strategies.flower_rule:FlowerRule",
    "byzfl": "strategies.byzfl_rule:ByzflRule",
}
