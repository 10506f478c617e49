"""The server: aggregation rules, cohorts, rounds. A short name stands for an import path."""

NAMES = {
    "fedavg": "strategies.rules.fedavg:FedAvg",
    "median": "strategies.rules.median:Median",
    "trimmed_mean": "strategies.rules.trimmed_mean:TrimmedMean",
    "sparsefed": "strategies.rules.sparsefed:SparseFed",
    "norm_clipping": "strategies.rules.norm_clipping:NormClipping",
    "krum": "strategies.rules.krum:Krum",
    "multi_krum": "strategies.rules.krum:MultiKrum",
    "geometric_median": "strategies.rules.geometric_median:GeometricMedian",
    "centred_clipping": "strategies.rules.centred_clipping:CentredClipping",
    "bucketing": "strategies.rules.bucketing:Bucketing",
    "nnm": "strategies.rules.nnm:NNM",
    "fltrust": "strategies.rules.fltrust:FLTrust",
    "fedavgm": "strategies.rules.server_optimisers:FedAvgM",
    "fedadam": "strategies.rules.server_optimisers:FedAdam",
    "flower": "strategies.rules.flower_rule:FlowerRule",
    "byzfl": "strategies.rules.byzfl_rule:ByzflRule",
}
