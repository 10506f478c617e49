"""Update-level attacks computed from the honest deltas: all attackers send the same vector.

n participants of this round, f of them attackers; mu and sigma are the coordinate-wise mean and
sample standard deviation (ddof 1; 0 for a single honest client) of the n - f honest deltas.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fedgroup.attacks.updates.update_attack import CHUNK, Stateless, Vector, check_positive
from fedgroup.errors import FedgroupError

Floats = NDArray[np.float64]


def means(honest: Sequence[Vector]) -> Iterator[tuple[int, Floats]]:
    """Yield start and mu, (C,) float64, of each chunk of the coordinates."""
    size = len(honest[0])
    for low in range(0, size, CHUNK):
        mu = np.zeros(min(CHUNK, size - low))
        for u in honest:
            mu += u[low : low + CHUNK]
        yield low, mu / len(honest)


def deviation(honest: Sequence[Vector], low: int, mu: Floats) -> Floats:
    """Return sigma of one chunk of the coordinates.

    Args:
        honest: The honest deltas, (P,) float32 each.
        low: First coordinate of the chunk.
        mu: Their mean in the chunk, (C,) float64.

    Returns:
        The standard deviation in the chunk, (C,) float64.
    """
    squares = np.zeros_like(mu)
    for u in honest:
        squares += (u[low : low + CHUNK] - mu) ** 2
    return np.sqrt(squares / max(1, len(honest) - 1))


def delta_by_chunk(honest: Sequence[Vector], value: Callable[[int, Floats], Floats]) -> Vector:
    """Return the delta (P,) float32 whose chunk from coordinate `low` on is value(low, mu), (C,).

    What overflows becomes inf, which the server refuses by name.
    """
    delta = np.empty(len(honest[0]), np.float32)
    for low, mu in means(honest):
        chunk = value(low, mu)
        with np.errstate(over="ignore", invalid="ignore"):
            delta[low : low + CHUNK] = chunk
    return delta


class Colluding(Stateless):
    """Base of the attacks computed from the honest deltas."""

    @property
    def needs_honest(self) -> bool:
        """Whether honest deltas are computed with: they are."""
        return True


@dataclass(frozen=True)
class IPM(Colluding):
    """Inner-product manipulation: -epsilon * mu.

    Xie, Koyejo & Gupta, UAI 2019. The plain mean becomes ((n - f) - f * epsilon) / n * mu: reversed
    only where epsilon > (n - f) / f.
    """

    epsilon: float = 0.5
    """Factor on the negated mean; 1 sends the negated mean itself."""

    def __post_init__(self) -> None:
        check_positive("epsilon", self.epsilon)

    def deltas(
        self, own: Sequence[Vector], honest: Sequence[Vector], rng: np.random.Generator
    ) -> list[Vector]:
        """Return the negated, scaled mean."""
        return [delta_by_chunk(honest, lambda low, mu: -self.epsilon * mu)] * len(own)


def alie_z(participants: int, attackers: int) -> float:
    """Return z of ALIE, the normal quantile of (n - f - s) / (n - f) with s = floor(n / 2 + 1) - f.

    It is 0 for n even and f = 2, or n odd and f = 1 (the attack then is the honest mean), and
    negative for n even and f = 1.

    Raises:
        FedgroupError: Not 0 < f < n / 2.
    """
    if not 0 < 2 * attackers < participants:
        raise FedgroupError(
            f"ALIE needs fewer attackers than half of the participants, this round has "
            f"{attackers} of {participants}: use fewer attackers, or give z"
        )
    honest = participants - attackers
    supporters = participants // 2 + 1 - attackers
    return NormalDist().inv_cdf((honest - supporters) / honest)


@dataclass(frozen=True)
class ALIE(Colluding):
    """A little is enough: mu - z * sigma, inside the spread of the honest deltas.

    Baruch, Baruch & Goldberg, NeurIPS 2019, algorithm 3.
    """

    z: float | None = None
    """Deviations from the mean; by default computed from this round's participants and
    attackers."""

    def __post_init__(self) -> None:
        if self.z is not None and not math.isfinite(self.z):
            raise FedgroupError(f"z must be finite, got {self.z}")

    def deltas(
        self, own: Sequence[Vector], honest: Sequence[Vector], rng: np.random.Generator
    ) -> list[Vector]:
        """Return the mean less z standard deviations."""
        z = alie_z(len(own) + len(honest), len(own)) if self.z is None else self.z
        return [delta_by_chunk(honest, lambda low, mu: mu - z * deviation(honest, low, mu))] * len(
            own
        )


@dataclass(frozen=True)
class MinMax(Colluding):
    """Min-max and min-sum: mu + gamma * p with the largest gamma that still looks honest.

    Shejwalkar & Houmansadr, NDSS 2021. Min-max keeps the largest distance to an honest delta within
    the largest between two honest ones, max_i |mu + gamma p - u_i| <= max_ij |u_i - u_j|; min-sum
    keeps the sum of squared distances within the largest such sum of an honest delta. Either is a
    quadratic in gamma and is solved exactly.
    """

    bound: Literal["max", "sum"] = "max"
    """max: min-max; sum: min-sum."""
    direction: Literal["std", "unit", "sign"] = "std"
    """p: -sigma, -mu / |mu|, or -sign(mu)."""

    def deltas(
        self, own: Sequence[Vector], honest: Sequence[Vector], rng: np.random.Generator
    ) -> list[Vector]:
        """Return the mean moved by gamma along p."""
        gamma = self.gamma(honest)
        return [
            delta_by_chunk(honest, lambda low, mu: mu + gamma * self._direction(honest, low, mu))
        ] * len(own)

    def gamma(self, honest: Sequence[Vector]) -> float:
        """Return the largest feasible factor on p = -sigma, -mu (not normalised) or -sign(mu).

        It is 0 where p is 0.
        """
        n = len(honest)
        gram, along, length = np.zeros((n, n)), np.zeros(n), 0.0
        for low, mu in means(honest):
            deviations = np.empty((n, len(mu)))  # (n, C), one chunk
            for row, u in zip(deviations, honest, strict=True):
                np.subtract(u[low : low + CHUNK], mu, out=row)
            p = self._direction(honest, low, mu)
            gram += deviations @ deviations.T
            along += deviations @ p
            length += float(p @ p)
        if length == 0:
            return 0.0
        spread = gram.diagonal()  # |u_i - mu|^2
        squared = np.maximum(spread[:, None] + spread[None, :] - 2 * gram, 0)  # |u_i - u_j|^2
        if self.bound == "sum":
            # the terms linear in gamma add up to 0: deviations sum to 0
            return math.sqrt(max(0.0, squared.sum(1).max() - spread.sum()) / (n * length))
        slack = np.maximum(squared.max() - spread, 0)
        roots = (along + np.sqrt(along**2 + length * slack)) / length
        return float(roots.min())

    def _direction(self, honest: Sequence[Vector], low: int, mu: Floats) -> Floats:
        """Return p of one chunk; `unit` is left at mu's length, as gamma takes up any factor."""
        if self.direction == "std":
            return -deviation(honest, low, mu)
        return -mu if self.direction == "unit" else -np.sign(mu)
