"""The server: aggregation rules, cohorts, rounds. A short name stands for an import path."""

NAMES = {
    "fedavg": "strategies.fedavg:FedAvg",
    "median": "strategies.median:Median",
    "trimmed_mean": "strategies.trimmed_mean:TrimmedMean",
    "sparsefed": "strategies.sparsefed:SparseFed",
}
