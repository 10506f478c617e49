"""The paper's non-IID partition: few clients hold the samples of the under-represented groups."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fedgroup.dataset import Bools, GroupedDataset, Ints
from fedgroup.errors import FedgroupError, unknown
from fedgroup.partitions.partition import check_clients, check_enough, validate
from fedgroup.seeding import rng


@dataclass(frozen=True)
class MinorityHolders:
    """The paper's non-IID split: only a few clients hold samples of the under-represented groups.

    Panaitescu-Liess et al., appendix A.1: "only 10% of the users have samples from the
    under-represented groups". H = max(1, round(holder_fraction * K)) of the K clients, drawn at
    random, are the holders. The minority's samples are permuted and dealt evenly to them, all other
    samples to all clients. A poison is never minority data.
    """

    clients: int = 100
    """Number of clients."""
    holder_fraction: float = 0.1
    """Share of clients that hold minority samples (paper A.1: 10 %)."""
    balance: Literal["equal", "additive"] = "equal"
    """equal: clients' totals are the same within one; additive: minority samples come on top."""
    minority: tuple[str, ...] = ("LRG-1", "LRG-2")
    """Tiers whose samples only holders get; those the data set lacks are ignored."""

    def __post_init__(self) -> None:
        check_clients(self.clients)
        if not 0 < self.holder_fraction <= 1:
            raise FedgroupError(f"holder_fraction must lie in (0, 1], got {self.holder_fraction}")
        if not self.minority:
            raise FedgroupError("minority names no tier: give at least one, e.g. [LRG-1]")

    def holders(self, seed: int) -> Ints:
        """Return the partition ids of the holders, sorted, (H,)."""
        count = max(1, round(self.holder_fraction * self.clients))
        return np.sort(rng(seed, "partition", "holders").choice(self.clients, count, replace=False))

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Deal the minority to the holders, the rest to all clients."""
        check_enough(self.clients, len(train))
        minority = self._minority(train)
        generator = rng(seed, "partition")
        few = generator.permutation(np.flatnonzero(minority))
        many = generator.permutation(np.flatnonzero(~minority))
        holders = self.holders(seed)
        minorities = np.zeros(self.clients, np.int64)  # minority samples of each client
        parts: list[list[Ints]] = [[] for _ in range(self.clients)]
        for holder, part in zip(holders, np.array_split(few, len(holders)), strict=True):
            parts[holder].append(part)
            minorities[holder] = len(part)
        sizes = self._majority_sizes(minorities, len(many))
        for client, part in enumerate(np.split(many, np.cumsum(sizes)[:-1])):
            parts[client].append(part)
        return validate([np.concatenate(part) for part in parts], len(train))

    def _minority(self, train: GroupedDataset) -> Bools:
        """Return the minority mask over `train`, (N,)."""
        tiers = train.info.tiers
        names = {"LRG-1", "LRG-2", *tiers}
        for name in self.minority:
            if name not in names:
                raise unknown("tier", name, names)
        groups = [g for name in self.minority for g in tiers.get(name, ())]
        mask = np.isin(train.group, groups) & ~train.poison
        if not mask.any():
            raise FedgroupError(
                f"{train.info.name} has no training samples in tiers {', '.join(self.minority)}: "
                f"choose others with `minority`"
            )
        return mask

    def _majority_sizes(self, minorities: Ints, majority: int) -> Ints:
        """Return majority samples per client, (clients,), given its minority samples (clients,).

        additive: equal shares of the majority. equal: shares that make the totals equal within one.
        """
        # one more each for `extra` clients: first those that hold no minority, then the others
        if self.balance == "additive":
            base, extra = divmod(majority, self.clients)
            sizes, first = np.full(self.clients, base, np.int64), minorities > 0
        else:
            base, extra = divmod(majority + int(minorities.sum()), self.clients)
            if not _fits(minorities, base, extra):
                raise self._too_much(minorities, base, extra)
            sizes = base - minorities
            first = np.where(minorities > base, -1, minorities > 0)
        sizes[np.argsort(first, kind="stable")[:extra]] += 1
        return sizes

    def _too_much(self, minorities: Ints, base: int, extra: int) -> FedgroupError:
        few = int(minorities.sum())
        enough = next(n for n in range(1, self.clients + 1) if _fits(_shares(few, n), base, extra))
        return FedgroupError(
            f"a holder gets {minorities.max()} minority samples but equal shares are {base}: "
            f"use balance: additive, or a holder_fraction of at least {enough / self.clients:.4g} "
            f"(now {self.holder_fraction:g})"
        )


def _shares(samples: int, holders: int) -> Ints:
    """Return the sizes of an even deal, (holders,), the larger ones first."""
    return (samples + np.arange(holders)[::-1]) // holders


def _fits(minorities: Ints, base: int, extra: int) -> bool:
    """Return whether the minorities fit into totals of `base`, of which `extra` are one larger."""
    return bool(minorities.max() <= base + 1 and (minorities > base).sum() <= extra)
