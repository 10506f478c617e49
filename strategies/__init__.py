"""The server: aggregation rules, cohorts, rounds.

Read aggregator.py (what a rule is) and rules/trimmed_mean.py (the plainest one) first; kernels/
holds the arithmetic under the rules. federation.py are the settings and cohort.py is the schedule
of a run. Of the rounds: server/federated_run.py (a run from start to result),
server/flower_strategy.py (one round), then the module of the step you care about. server_app.py is
where Flower enters; checks.py is the contract of a rule, yours too.

`NAMES`: a short name stands for an import path; `my_pkg.mod:MyRule` works as well.
"""

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
