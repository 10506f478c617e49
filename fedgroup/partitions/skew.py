"""Skewed partitions of the literature: by group or label (Dirichlet, pathological) and by size."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.errors import FedgroupError
from fedgroup.partitions.partition import check_clients, check_enough, validate
from fedgroup.seeding import rng


@dataclass(frozen=True)
class Dirichlet:
    """Skewed shares: each group's (or label's) samples are dealt by Dirichlet(alpha) proportions.

    For every group or label v: shares ~ Dirichlet(alpha, ..., alpha) over the clients, and v's
    permuted samples are cut at their cumulative sums (Yurochkin et al., ICML 2019; Hsu, Qi & Brown,
    arXiv:1909.06335, 2019).
    """

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
                f"{self.clients} clients of at least {self.min_samples} samples need more than "
                f"the {len(train)} there are: use fewer clients, or a smaller min_samples"
            )
        values = train.group if self.over == "group" else train.y
        generator = rng(seed, "partition")
        for _ in range(self.TRIES):
            parts = self._draw(values, generator)
            if min(len(part) for part in parts) >= self.min_samples:
                return validate(parts, len(train))
        raise FedgroupError(
            f"no Dirichlet(alpha={self.alpha:g}) draw of {self.TRIES} gave every one of "
            f"{self.clients} clients {self.min_samples} samples: raise alpha, or use fewer clients"
        )

    def _draw(self, values: Ints, generator: np.random.Generator) -> list[Ints]:
        """Draw once over the groups or labels `values` (N,); return each client's positions."""
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
    """Every client holds samples of a few groups (or labels) only.

    The split of McMahan et al., AISTATS 2017, section 3, with groups in place of shards: the groups
    stand on a seeded circle, client c holds the per_client neighbours that begin at place c (at
    c * per_client, where there are too few clients to go round), and each group is dealt evenly to
    the clients that hold it.
    """

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
        """Give each client neighbouring groups of a seeded circle; deal each group evenly."""
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
                f"{self.clients} clients of {self.per_client} {self.over}s cannot cover all "
                f"{kinds}: use more clients, "
                f"or per_client of at least {-(-kinds // self.clients)}"
            )


@dataclass(frozen=True)
class SizeSkew:
    """IID content, unequal sizes: a power law over the clients' ranks.

    Every client gets min_samples; of what is left, the r-th largest client gets a share in
    proportion to r^-exponent.
    """

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
        """Return the samples of each rank, largest first, (clients,); they sum to `samples`.

        Shares are rounded by largest remainders.

        Raises:
            FedgroupError: min_samples for every client is more than there is.
        """
        left = samples - self.clients * self.min_samples
        if left < 0:
            raise FedgroupError(
                f"{self.clients} clients of at least {self.min_samples} samples need more than "
                f"the {samples} there are: use fewer clients, or a smaller min_samples"
            )
        weights = np.arange(1, self.clients + 1, dtype=np.float64) ** -self.exponent
        shares = left * weights / weights.sum()
        sizes = np.floor(shares).astype(np.int64)
        largest = np.argsort(sizes - shares, kind="stable")  # of the fractions cut off
        sizes[largest[: left - int(sizes.sum())]] += 1
        return np.sort(sizes)[::-1] + self.min_samples
