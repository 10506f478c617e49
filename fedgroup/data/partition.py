"""How training samples are dealt to clients. A client is its position in the list: its partition id.

Every scheme is a frozen dataclass with `assign(train, seed)`, which returns one sorted array of
positions into the training split per client. The draw depends on the seed alone, so every aggregation
rule under one seed meets the same clients. Poisons follow their base's group, except that they are
never minority data: minority_holders deals them with the majority.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.errors import FedgroupError, unknown
from fedgroup.seeding import rng

NAMES = {
    "iid": "fedgroup.data.partition:Iid",
    "minority_holders": "fedgroup.data.partition:MinorityHolders",
    "dirichlet": "fedgroup.data.partition:Dirichlet",
    "pathological": "fedgroup.data.partition:Pathological",
    "lists": "fedgroup.data.partition:Lists",
    "flwr_datasets": "fedgroup.data.flwr_partitioner:FlwrDatasets",
}


class Partition(Protocol):
    """A partition component."""

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Positions in `train` of each client, disjoint; raises FedgroupError where it cannot."""
        ...


def _check_clients(clients: int) -> None:
    if clients < 1:
        raise FedgroupError(f"clients must be at least 1, got {clients}")


def validate(parts: Sequence[Ints], samples: int, complete: bool = True) -> list[Ints]:
    """Return sorted parts; refuses an empty client, a sample dealt twice, one missing or out of range."""
    for client, part in enumerate(parts):
        if len(part) == 0:
            raise FedgroupError(
                f"client {client} of {len(parts)} got no samples ({samples} in all): use fewer clients, "
                f"or a less skewed partition"
            )
    dealt = np.concatenate(list(parts)) if parts else np.empty(0, np.int64)
    if len(dealt) and (dealt.min() < 0 or dealt.max() >= samples):
        raise FedgroupError(
            f"positions {dealt.min()}..{dealt.max()} do not exist: the split has {samples} samples"
        )
    counts = np.bincount(dealt, minlength=samples)
    if (counts > 1).any():
        raise FedgroupError(f"sample {int(np.argmax(counts > 1))} is dealt to more than one client")
    if complete and (counts == 0).any():
        raise FedgroupError(f"{int((counts == 0).sum())} of {samples} samples are dealt to no client")
    return [np.sort(np.asarray(part, np.int64)) for part in parts]


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
        _check_clients(self.clients)

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Deal a seeded permutation (spec federated 3.2)."""
        order = rng(seed, "partition").permutation(len(train))
        if self.stratify:
            order = order[np.argsort(train.group[order], kind="stable")]
            return validate([order[c :: self.clients] for c in range(self.clients)], len(train))
        if self.remainder == "drop":
            size = len(train) // self.clients
            parts = [order[c * size : (c + 1) * size] for c in range(self.clients)]
            return validate(parts, len(train), complete=False)
        return validate(np.array_split(order, self.clients), len(train))


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
        _check_clients(self.clients)
        if not 0 < self.holder_fraction <= 1:
            raise FedgroupError(f"holder_fraction must lie in (0, 1], got {self.holder_fraction}")

    def holders(self, seed: int) -> Ints:
        """Partition ids of the holders, sorted."""
        count = max(1, round(self.holder_fraction * self.clients))
        return np.sort(rng(seed, "partition", "holders").choice(self.clients, count, replace=False))

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Deal the minority to the holders, the rest to all (spec federated 3.2)."""
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

    def _minority(self, train: GroupedDataset) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
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
        """Majority samples per client, so that totals are equal (or simply equal shares)."""
        total = majority + int(held.sum()) if self.balance == "equal" else majority
        base, extra = divmod(total, self.clients)
        sizes = np.full(self.clients, base, np.int64)
        if self.balance == "equal":
            if held.max() > base:
                raise FedgroupError(
                    f"a holder gets {held.max()} minority samples but equal shares are {base}: "
                    f"use balance: additive, or a holder_fraction above {self.holder_fraction:g}"
                )
            sizes -= held
        # the remainder goes to the first clients that hold no minority, then to the others
        sizes[np.argsort(held > 0, kind="stable")[:extra]] += 1
        return sizes


@dataclass(frozen=True)
class Dirichlet:
    """Skewed shares: each group's (or label's) samples are dealt by Dirichlet(alpha) proportions."""

    clients: int = 100
    """Number of clients."""
    alpha: float = 0.5
    """Concentration: small is skewed, large is IID."""
    over: Literal["group", "label"] = "group"
    """What is skewed."""
    min_samples: int = 1
    """Fewest samples of a client; the draw is repeated until it holds."""

    TRIES = 1000

    def __post_init__(self) -> None:
        _check_clients(self.clients)
        if not 0 < self.alpha < float("inf"):
            raise FedgroupError(f"alpha must be positive and finite, got {self.alpha}")
        if self.min_samples < 1:
            raise FedgroupError(f"min_samples must be at least 1, got {self.min_samples}")

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Draw proportions per group until every client has enough."""
        if self.clients * self.min_samples > len(train):
            raise FedgroupError(
                f"{self.clients} clients of at least {self.min_samples} samples need more than the "
                f"{len(train)} there are"
            )
        values = train.group if self.over == "group" else train.y
        generator = rng(seed, "partition")
        for _ in range(self.TRIES):
            parts = self._draw(values, generator)
            if min(len(part) for part in parts) >= self.min_samples:
                return validate(parts, len(train))
        raise FedgroupError(
            f"no Dirichlet(alpha={self.alpha:g}) draw of {self.TRIES} gave every one of {self.clients} "
            f"clients {self.min_samples} samples: raise alpha, or use fewer clients"
        )

    def _draw(self, values: Ints, generator: np.random.Generator) -> list[Ints]:
        parts: list[list[Ints]] = [[] for _ in range(self.clients)]
        for value in np.unique(values):
            members = generator.permutation(np.flatnonzero(values == value))
            shares = generator.dirichlet(np.full(self.clients, self.alpha))
            cuts = np.round(np.cumsum(shares)[:-1] * len(members)).astype(np.int64)
            for client, part in enumerate(np.split(members, cuts)):
                parts[client].append(part)
        return [np.concatenate(part) for part in parts]


@dataclass(frozen=True)
class Pathological:
    """Every client holds samples of a few groups (or labels) only."""

    clients: int = 100
    """Number of clients."""
    per_client: int = 2
    """Groups (or labels) a client holds."""
    over: Literal["group", "label"] = "group"
    """What is restricted."""

    def __post_init__(self) -> None:
        _check_clients(self.clients)
        if self.per_client < 1:
            raise FedgroupError(f"per_client must be at least 1, got {self.per_client}")

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Give client c the groups c, c+1, ... in a seeded order; each is dealt evenly to its holders."""
        values = train.group if self.over == "group" else train.y
        kinds = np.unique(values)
        if self.per_client > len(kinds):
            raise FedgroupError(
                f"per_client {self.per_client} exceeds the {len(kinds)} {self.over}s there are"
            )
        generator = rng(seed, "partition")
        kinds = generator.permutation(kinds)
        parts: list[list[Ints]] = [[] for _ in range(self.clients)]
        for place, kind in enumerate(kinds):
            holders = [c for c in range(self.clients) if (place - c) % len(kinds) < self.per_client] or [
                place % self.clients
            ]
            members = generator.permutation(np.flatnonzero(values == kind))
            for holder, part in zip(holders, np.array_split(members, len(holders)), strict=True):
                parts[holder].append(part)
        return validate([np.concatenate(p) if p else np.empty(0, np.int64) for p in parts], len(train))


@dataclass(frozen=True)
class Lists:
    """Your own partition: a JSON file with one list of training positions per client."""

    file: str = ""
    """Path of the JSON file."""
    complete: bool = True
    """Every sample must be dealt to some client."""

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Read and check the lists."""
        path = Path(self.file).expanduser()
        try:
            lists = json.loads(path.read_text(encoding="utf-8"))
            parts = [np.asarray(part, np.int64) for part in lists]
        except OSError as error:
            raise FedgroupError(f"partition file: cannot read '{self.file}' ({error.strerror})") from error
        except (ValueError, TypeError, OverflowError) as error:
            raise FedgroupError(
                f"{path} must hold a JSON list of lists of whole numbers, one per client ({error})"
            ) from error
        if not parts or any(part.ndim != 1 for part in parts):
            raise FedgroupError(f"{path} must hold a JSON list of lists of whole numbers, one per client")
        return validate(parts, len(train), self.complete)
