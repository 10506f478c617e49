"""How training samples are dealt to clients. A client is its position in the list: its partition id.

Every scheme is a frozen dataclass with `assign(train, seed)`, which returns one sorted array of
positions into the training split per client. The draw depends on the seed alone, so every aggregation
rule under one seed meets the same clients. Poisons follow their base's group, except that they are
never minority data: minority_holders deals them with the majority.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from fedgroup.dataset import Bools, GroupedDataset, Ints
from fedgroup.errors import FedgroupError, unknown
from fedgroup.seeding import rng

NAMES = {
    "iid": "fedgroup.partitions.partition:Iid",
    "minority_holders": "fedgroup.partitions.partition:MinorityHolders",
    "dirichlet": "fedgroup.partitions.skew:Dirichlet",
    "pathological": "fedgroup.partitions.skew:Pathological",
    "size_skew": "fedgroup.partitions.skew:SizeSkew",
    "lists": "fedgroup.partitions.lists:Lists",
    "flwr_datasets": "fedgroup.partitions.flwr_datasets:FlwrDatasets",
}


class Partition(Protocol):
    """A partition component."""

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Positions in `train` of each client, disjoint; raises FedgroupError where it cannot."""
        ...


def check_clients(clients: int) -> None:
    """Refuse a partition of no clients."""
    if clients < 1:
        raise FedgroupError(f"clients must be at least 1, got {clients}")


def check_enough(clients: int, samples: int) -> None:
    """Refuse more clients than samples: some would hold nothing."""
    if clients > samples:
        raise FedgroupError(
            f"{clients} clients cannot share {samples} samples: "
            f"use at most {samples} clients, or more samples"
        )


def validate(parts: Sequence[Ints], samples: int, complete: bool = True) -> list[Ints]:
    """Return sorted parts; refuses an empty client, a sample dealt twice, one missing or out of range."""
    if len(parts) == 0:
        raise FedgroupError("the partition has no clients: give at least one list of positions")
    arrays = [_positions(client, part, len(parts), samples) for client, part in enumerate(parts)]
    owner = np.full(samples, -1, np.int64)
    for client, part in enumerate(arrays):
        taken = part[owner[part] >= 0]
        if len(taken):
            raise FedgroupError(
                f"sample {taken[0]} is dealt to clients {owner[taken[0]]} and {client}: "
                f"give it to one of them"
            )
        owner[part] = client
    missing = np.flatnonzero(owner < 0)
    if complete and len(missing):
        raise FedgroupError(
            f"{len(missing)} of {samples} samples are dealt to no client (the first is {missing[0]}): "
            f"deal them all, or set complete: false where the partition has it"
        )
    return arrays


def _positions(client: int, part: Ints, clients: int, samples: int) -> Ints:
    """Sorted positions of one client, (n,) int64; refuses what cannot be one."""
    given = np.asarray(part)
    if given.ndim != 1:
        raise FedgroupError(
            f"client {client}: positions must be a flat list, got shape {given.shape}"
        )
    if len(given) == 0:
        raise FedgroupError(
            f"client {client} of {clients} got no samples ({samples} in all): use fewer clients, "
            f"more samples, or a less skewed partition"
        )
    if given.dtype.kind not in "iu":
        raise FedgroupError(f"client {client}: positions must be whole numbers, got {given.dtype}")
    if given.min() < 0 or given.max() >= samples:
        raise FedgroupError(
            f"client {client}: positions {given.min()}..{given.max()} do not all exist, "
            f"the split has {samples} samples (0..{samples - 1})"
        )
    ordered = np.sort(given.astype(np.int64))
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice):
        raise FedgroupError(f"client {client} lists sample {twice[0]} twice: list it once")
    return ordered


def group_table(parts: Sequence[Ints], train: GroupedDataset) -> Ints:
    """Clean samples per group and poisons of each client, (clients, G + 1)."""
    views = [train.take(part) for part in parts]
    return np.array([[*view.group_counts(), int(view.poison.sum())] for view in views], np.int64)


def partition_hash(parts: Sequence[Ints]) -> str:
    """12 hex digits naming who holds what, stored with every run."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.asarray(part, "<i8").tobytes() + b"|")
    return digest.hexdigest()[:12]


@dataclass(frozen=True)
class Iid:
    """All samples shuffled and dealt evenly: sizes differ by at most one."""

    clients: int = 100
    """Number of clients."""
    remainder: Literal["keep", "drop"] = "keep"
    """keep deals every sample; drop gives each client floor(N / clients), as the paper's base code."""
    stratify: bool = False
    """Deal group by group, so that every client's group counts differ by at most one."""

    def __post_init__(self) -> None:
        check_clients(self.clients)

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Deal a seeded permutation (spec federated 3.2; the base code's remainder: 3.1)."""
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


@dataclass(frozen=True)
class MinorityHolders:
    """The paper's non-IID split: only a few clients hold samples of the under-represented groups."""

    clients: int = 100
    """Number of clients."""
    holder_fraction: float = 0.1
    """Share of clients that hold minority samples (paper A.1: 10 %)."""
    balance: Literal["equal", "additive"] = "equal"
    """equal: every client's total is the same within one; additive: minority samples come on top."""
    minority: tuple[str, ...] = ("LRG-1", "LRG-2")
    """Tiers whose samples only holders get; those the data set lacks are ignored."""

    def __post_init__(self) -> None:
        check_clients(self.clients)
        if not 0 < self.holder_fraction <= 1:
            raise FedgroupError(f"holder_fraction must lie in (0, 1], got {self.holder_fraction}")
        if not self.minority:
            raise FedgroupError("minority names no tier: give at least one, e.g. [LRG-1]")

    def holders(self, seed: int) -> Ints:
        """Partition ids of the holders, sorted."""
        count = max(1, round(self.holder_fraction * self.clients))
        return np.sort(rng(seed, "partition", "holders").choice(self.clients, count, replace=False))

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Deal the minority to the holders, the rest to all (paper A.1; algorithm of spec federated 3.2)."""
        check_enough(self.clients, len(train))
        minority = self._minority(train)
        generator = rng(seed, "partition")
        few = generator.permutation(np.flatnonzero(minority))
        many = generator.permutation(np.flatnonzero(~minority))
        holders = self.holders(seed)
        held = np.zeros(self.clients, np.int64)
        parts: list[list[Ints]] = [[] for _ in range(self.clients)]
        for holder, part in zip(holders, np.array_split(few, len(holders)), strict=True):
            parts[holder].append(part)
            held[holder] = len(part)
        sizes = self._majority_sizes(held, len(many))
        for client, part in enumerate(np.split(many, np.cumsum(sizes)[:-1])):
            parts[client].append(part)
        return validate([np.concatenate(part) for part in parts], len(train))

    def _minority(self, train: GroupedDataset) -> Bools:
        """Minority mask over `train`, (N,); a poison is never minority data."""
        tiers = train.info.tiers
        known = {"LRG-1", "LRG-2", *tiers}
        for name in self.minority:
            if name not in known:
                raise unknown("tier", name, known)
        groups = [g for name in self.minority for g in tiers.get(name, ())]
        mask = np.isin(train.group, groups) & ~train.poison
        if not mask.any():
            raise FedgroupError(
                f"{train.info.name} has no training samples in tiers {', '.join(self.minority)}: "
                f"choose others with `minority`"
            )
        return mask

    def _majority_sizes(self, held: Ints, majority: int) -> Ints:
        """Majority samples per client, (clients,), given the minority samples `held` (clients,).

        additive: equal shares of the majority. equal: shares that make the totals equal within one.
        """
        # one more each for `extra` clients: first those that hold no minority, then the others
        if self.balance == "additive":
            base, extra = divmod(majority, self.clients)
            sizes, first = np.full(self.clients, base, np.int64), held > 0
        else:
            base, extra = divmod(majority + int(held.sum()), self.clients)
            if not _fits(held, base, extra):
                raise self._too_much(held, base, extra)
            sizes, first = base - held, np.where(held > base, -1, held > 0)
        sizes[np.argsort(first, kind="stable")[:extra]] += 1
        return sizes

    def _too_much(self, held: Ints, base: int, extra: int) -> FedgroupError:
        few = int(held.sum())
        enough = next(n for n in range(1, self.clients + 1) if _fits(_shares(few, n), base, extra))
        return FedgroupError(
            f"a holder gets {held.max()} minority samples but equal shares are {base}: "
            f"use balance: additive, or a holder_fraction of at least {enough / self.clients:.4g} "
            f"(now {self.holder_fraction:g})"
        )


def _shares(samples: int, holders: int) -> Ints:
    """Sizes of an even deal, (holders,), the larger ones first."""
    return (samples + np.arange(holders)[::-1]) // holders


def _fits(held: Ints, base: int, extra: int) -> bool:
    """Whether holders of `held` samples fit into totals of `base`, of which `extra` are one larger."""
    return bool(held.max() <= base + 1 and (held > base).sum() <= extra)
