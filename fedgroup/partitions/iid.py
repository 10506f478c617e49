"""The IID partition: every client holds a random sample of the whole."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.partitions.partition import check_clients, check_enough, validate
from fedgroup.seeding import rng


@dataclass(frozen=True)
class Iid:
    """All samples shuffled and dealt evenly: sizes differ by at most one.

    Client k of K gets the k-th of K even pieces of a permutation: floor(N / K) or ceil(N / K)
    samples (the paper's IID setting, appendix A.1).
    """

    clients: int = 100
    """Number of clients."""
    remainder: Literal["keep", "drop"] = "keep"
    """keep deals every sample; drop gives each client floor(N / clients), as the paper's base
    code."""
    stratify: bool = False
    """Deal group by group, so that every client's group counts differ by at most one."""

    def __post_init__(self) -> None:
        check_clients(self.clients)

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Deal a seeded permutation of all samples, or of each group's."""
        check_enough(self.clients, len(train))
        order = rng(seed, "partition").permutation(len(train))
        if self.remainder == "drop":
            order = order[: len(train) // self.clients * self.clients]
        if self.stratify:
            order = order[np.argsort(train.group[order], kind="stable")]
            parts = [order[c :: self.clients] for c in range(self.clients)]
        else:
            parts = np.array_split(order, self.clients)
        return validate(parts, len(train), complete=self.remainder == "keep")
