"""Skewed partitions of the literature: by group or label (Dirichlet, pathological) and by size.

Poisons count as samples of their base's group here (spec federated 3.2, "also ship").
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.errors import FedgroupError
from fedgroup.partitions.partition import check_clients, check_enough, validate
from fedgroup.seeding import rng


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
        check_clients(self.clients)
        if not 0 < self.alpha < float("inf"):
            raise FedgroupError(f"alpha must be positive and finite, got {self.alpha}")
        if self.min_samples < 1:
            raise FedgroupError(f"min_samples must be at least 1, got {self.min_samples}")

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Draw proportions per group until every client has enough."""
        if self.clients * self.min_samples > len(train):
            raise FedgroupError(
                f"{self.clients} clients of at least {self.min_samples} samples need more than the "
                f"{len(train)} there are: use fewer clients, or a smaller min_samples"
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
        """One draw over `values` (N,): positions of each client."""
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
        check_clients(self.clients)
        if self.per_client < 1:
            raise FedgroupError(f"per_client must be at least 1, got {self.per_client}")

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Give client c neighbouring groups of a seeded circle; each is dealt evenly to its holders."""
        check_enough(self.clients, len(train))
        values = train.group if self.over == "group" else train.y
        kinds = np.unique(values)
        self._check_kinds(len(kinds))
        # neighbours overlap (0 1, 1 2, ...) unless there are too few clients to go round that way
        stride = 1 if self.clients + self.per_client > len(kinds) else self.per_client
        generator = rng(seed, "partition")
        kinds = generator.permutation(kinds)
        parts: list[list[Ints]] = [[] for _ in range(self.clients)]
        for place, kind in enumerate(kinds):
            holders = [
                c
                for c in range(self.clients)
                if (place - c * stride) % len(kinds) < self.per_client
            ]
            members = generator.permutation(np.flatnonzero(values == kind))
            for holder, part in zip(holders, np.array_split(members, len(holders)), strict=True):
                parts[holder].append(part)
        return validate([np.concatenate(part) for part in parts], len(train))

    def _check_kinds(self, kinds: int) -> None:
        if self.per_client > kinds:
            raise FedgroupError(
                f"per_client {self.per_client} exceeds the {kinds} {self.over}s there are: "
                f"use at most {kinds}"
            )
        if self.clients * self.per_client < kinds:
            raise FedgroupError(
                f"{self.clients} clients of {self.per_client} {self.over}s cannot cover all {kinds}: "
                f"use more clients, or per_client of at least {-(-kinds // self.clients)}"
            )


@dataclass(frozen=True)
class SizeSkew:
    """IID content, unequal sizes: the r-th largest client's share is in proportion to r^-exponent."""

    clients: int = 100
    """Number of clients."""
    exponent: float = 1.0
    """Steepness of the sizes; 0 makes them equal."""
    min_samples: int = 1
    """Fewest samples of a client; only what is left over is dealt by rank."""

    def __post_init__(self) -> None:
        check_clients(self.clients)
        if not 0 <= self.exponent < float("inf"):
            raise FedgroupError(f"exponent must be at least 0 and finite, got {self.exponent}")
        if self.min_samples < 1:
            raise FedgroupError(f"min_samples must be at least 1, got {self.min_samples}")

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Deal a seeded permutation in unequal pieces; which client is large is seeded too."""
        sizes = rng(seed, "partition", "sizes").permutation(self.sizes(len(train)))
        order = rng(seed, "partition").permutation(len(train))
        return validate(np.split(order, np.cumsum(sizes)[:-1]), len(train))

    def sizes(self, samples: int) -> Ints:
        """Samples of each rank, largest first, (clients,); they sum to `samples` (largest remainders)."""
        left = samples - self.clients * self.min_samples
        if left < 0:
            raise FedgroupError(
                f"{self.clients} clients of at least {self.min_samples} samples need more than the "
                f"{samples} there are: use fewer clients, or a smaller min_samples"
            )
        weights = np.arange(1, self.clients + 1, dtype=np.float64) ** -self.exponent
        shares = left * weights / weights.sum()
        sizes = np.floor(shares).astype(np.int64)
        largest = np.argsort(sizes - shares, kind="stable")  # of the fractions cut off
        sizes[largest[: left - int(sizes.sum())]] += 1
        return np.sort(sizes)[::-1] + self.min_samples
