"""Any partitioner of flwr-datasets, by import path (an extra: fedgroup[partitioners])."""

import inspect
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.errors import FedgroupError
from fedgroup.partitions.partition import check_clients, check_enough, validate
from fedgroup.seeding import rng
from fedgroup.settings.options import Options, freeze, thaw
from fedgroup.spec import imported

INSTALL = "partition flwr_datasets needs an extra package: pip install 'fedgroup[partitioners]'"


@dataclass(frozen=True)
class FlwrDatasets:
    """A flwr-datasets partitioner over the columns y, group and index of the training split.

    `index` is the position in the split, and what is read back. Where the partitioner takes a seed
    and the options give none, it gets one derived from the task's seed.
    """

    hosts: ClassVar[bool] = True
    """It runs the code of others, which is guarded (fedgroup/guards/surroundings.py)."""

    partitioner: str = "flwr_datasets.partitioner:IidPartitioner"
    """Import path of the class."""
    clients: int = 100
    """Number of clients: passed as num_partitions where the class takes it, else checked."""
    options: Options = ()
    """Its other arguments, e.g. {partition_by: group, alpha: 0.5}; kept as sorted pairs."""
    shuffle: bool = True
    """Shuffle the rows first (seeded): their IID partitioner cuts contiguous shards."""
    complete: bool = True
    """Every sample must be dealt to some client; some partitioners leave a rest."""

    def __post_init__(self) -> None:
        check_clients(self.clients)
        options = dict(self.options)
        # hashable: partitions are cached by their settings
        object.__setattr__(self, "options", freeze(options))
        if isinstance(count := options.get("num_partitions"), int):
            check_clients(count)
            object.__setattr__(self, "clients", count)

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Hand the columns to the partitioner and read back who got which row."""
        check_enough(self.clients, len(train))
        try:
            from datasets import Dataset
        except ImportError as error:
            raise FedgroupError(INSTALL) from error
        partitioner = self._build(seed)
        order = np.arange(len(train))
        if self.shuffle:
            order = rng(seed, "partition").permutation(len(train))
        columns = {"y": train.y[order], "group": train.group[order], "index": order}
        rows = Dataset.from_dict({name: column.tolist() for name, column in columns.items()})
        parts = self._split(partitioner, rows)
        if len(parts) != self.clients:
            raise FedgroupError(
                f"{self.partitioner} made {len(parts)} partitions but clients is {self.clients}: "
                f"set clients: {len(parts)}, or change its options"
            )
        return validate(parts, len(train), self.complete)

    def _build(self, seed: int) -> Any:
        """Return an instance of the partitioner class."""
        cls = self._load()
        options = thaw(self.options)
        try:
            takes = set(inspect.signature(cls).parameters)
        except (TypeError, ValueError):  # no signature to read: pass the options alone
            takes = set()
        if "num_partitions" in takes:
            options.setdefault("num_partitions", self.clients)
        if "seed" in takes:
            options.setdefault("seed", int(rng(seed, "partition", "flwr_datasets").integers(2**31)))
        try:
            return cls(**options)
        except (TypeError, ValueError) as error:
            raise FedgroupError(
                f"{self.partitioner} refuses its options ({_line(error)})"
            ) from error

    def _load(self) -> Any:
        """Return the partitioner class behind the import path."""
        module, _, name = self.partitioner.partition(":")
        if not module or not name:
            raise FedgroupError(
                f"'{self.partitioner}' is not an import path: "
                f"write flwr_datasets.partitioner:IidPartitioner"
            )
        try:
            cls = imported(self.partitioner)
        except FedgroupError as error:
            cause = error.__cause__
            if isinstance(cause, ModuleNotFoundError) and cause.name == "flwr_datasets":
                raise FedgroupError(INSTALL) from error
            raise FedgroupError(
                f"cannot load partitioner '{self.partitioner}' ({cause})"
            ) from error
        if not callable(cls):
            raise FedgroupError(f"'{self.partitioner}' is not a class: give my_pkg.mod:Class")
        return cls

    def _split(self, partitioner: Any, rows: Any) -> list[Ints]:
        """Return the positions of each partition, as the partitioner dealt them."""
        try:
            # retries, rests and pyarrow's deprecations: validate() judges
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                partitioner.dataset = rows
                count = int(partitioner.num_partitions)
                return [
                    np.array(partitioner.load_partition(client)["index"][:], np.int64)
                    for client in range(count)
                ]
        except Exception as error:  # someone else's code, which raises what it likes
            raise FedgroupError(
                f"{self.partitioner} cannot split this data "
                f"({type(error).__name__}: {_line(error)}): change clients or its options"
            ) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
