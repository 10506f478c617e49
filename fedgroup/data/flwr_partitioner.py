"""Any partitioner of flwr-datasets, by import path (extra: pip install 'fedgroup[partitioners]')."""

import importlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fedgroup.data.partition import validate
from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.errors import FedgroupError
from fedgroup.seeding import rng


@dataclass(frozen=True)
class FlwrDatasets:
    """A flwr-datasets partitioner over the columns y, group and index of the training split."""

    partitioner: str = "flwr_datasets.partitioner:IidPartitioner"
    """Import path of the class."""
    options: tuple[tuple[str, Any], ...] = field(default=(("num_partitions", 100),))
    """Its arguments as [name, value] pairs, e.g. [[num_partitions, 100], [partition_by, group]]."""
    shuffle: bool = True
    """Shuffle the rows first (seeded): their IID partitioner cuts contiguous shards."""

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Hand the columns to the partitioner and read back who got which row."""
        try:
            from datasets import Dataset
        except ImportError as error:
            raise FedgroupError(
                "partition flwr_datasets needs an extra package: pip install 'fedgroup[partitioners]'"
            ) from error
        module, _, name = self.partitioner.partition(":")
        try:
            made = getattr(importlib.import_module(module), name)(**dict(self.options))
        except (ImportError, AttributeError) as error:
            raise FedgroupError(f"cannot load partitioner '{self.partitioner}' ({error})") from error
        except (TypeError, ValueError) as error:
            raise FedgroupError(f"{self.partitioner} refuses its options ({error})") from error
        order = np.arange(len(train))
        if self.shuffle:
            order = rng(seed, "partition").permutation(len(train))
        columns = {"y": train.y[order], "group": train.group[order], "position": order}
        try:
            made.dataset = Dataset.from_dict({key: value.tolist() for key, value in columns.items()})
            parts = [
                np.array(made.load_partition(c)["position"], np.int64) for c in range(made.num_partitions)
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise FedgroupError(f"{self.partitioner} cannot split this data ({error})") from error
        return validate(parts, len(train))
