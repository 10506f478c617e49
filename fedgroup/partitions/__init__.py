"""Partitions: how training samples are dealt to clients. `my_pkg.mod:MyPartition` works too.

Read partition.py first (the Protocol), then the paper's two settings: iid.py and
minority_holders.py.
"""

NAMES = {
    "iid": "fedgroup.partitions.iid:Iid",
    "minority_holders": "fedgroup.partitions.minority_holders:MinorityHolders",
    "dirichlet": "fedgroup.partitions.skew:Dirichlet",
    "pathological": "fedgroup.partitions.skew:Pathological",
    "size_skew": "fedgroup.partitions.skew:SizeSkew",
    "lists": "fedgroup.partitions.lists:Lists",
    "flwr_datasets": "fedgroup.partitions.flwr_datasets:FlwrDatasets",
}
"""Short name of each partition (fedgroup.partitions.partition.Partition)."""
