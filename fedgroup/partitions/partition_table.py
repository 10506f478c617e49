"""partition.csv: samples per group and client, the table reviewers ask for."""

from collections.abc import Sequence

from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.partitions.partition import group_table
from fedgroup.runs.run_directory import Run


def save_partition(run: Run, shards: Sequence[Ints], train: GroupedDataset) -> None:
    """Write partition.csv of a run.

    Args:
        run: The run directory, open for writing.
        shards: Positions of each client's samples in the training split.
        train: The training split.
    """
    header = ["client", *train.info.groups, "poisons", "total"]
    counts = group_table(list(shards), train).tolist()
    run.table("partition", header, [[client, *row, sum(row)] for client, row in enumerate(counts)])
