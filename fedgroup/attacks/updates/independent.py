"""Update-level attacks that need no statistics of the honest deltas."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fedgroup.attacks.updates.update_attack import (
    Stateless,
    Vector,
    check_positive,
    norm,
    scaled,
)


@dataclass(frozen=True)
class Honest(Stateless):
    """No attack on updates: malicious clients, if any, send the deltas that they trained."""

    def deltas(
        self, own: Sequence[Vector], honest: Sequence[Vector], rng: np.random.Generator
    ) -> list[Vector]:
        """Return copies of the attackers' own deltas."""
        return [delta.copy() for delta in own]


@dataclass(frozen=True)
class SignFlip(Stateless):
    """Each attacker negates its own final delta: -scale * u_own.

    Li et al., AAAI 2019 (RSA). Sending the negated honest mean is ipm with epsilon 1; negating
    gradients in every local step is a different attack.
    """

    scale: float = 1.0
    """Factor on the negated delta."""

    def __post_init__(self) -> None:
        check_positive("scale", self.scale)

    def deltas(
        self, own: Sequence[Vector], honest: Sequence[Vector], rng: np.random.Generator
    ) -> list[Vector]:
        """Negate and scale each own delta."""
        return [scaled(u, -self.scale) for u in own]


@dataclass(frozen=True)
class Gaussian(Stateless):
    """Noise, drawn anew by each attacker: N(0, s^2 I), alone or added to its own delta.

    Blanchard et al., NeurIPS 2017, with s = 200. `add` and `relative` are this project's.
    """

    mode: Literal["replace", "add"] = "replace"
    """replace sends the noise alone; add puts it on the attacker's own delta."""
    std: float = 200.0
    """Standard deviation s of each coordinate (200 in the source); its norm is about s *
    sqrt(P)."""
    relative: bool = False
    """Read std as the noise's expected norm in units of the median norm of the honest deltas."""

    def __post_init__(self) -> None:
        check_positive("std", self.std)

    @property
    def needs_honest(self) -> bool:
        """Whether the median norm of the honest deltas is used."""
        return self.relative

    def deltas(
        self, own: Sequence[Vector], honest: Sequence[Vector], rng: np.random.Generator
    ) -> list[Vector]:
        """Draw one noise vector per attacker."""
        size, std = len(own[0]), self.std
        if self.relative:
            std *= float(np.median([norm(u) for u in honest])) / math.sqrt(size)
        forged = []
        for u in own:
            noise = scaled(rng.standard_normal(size, dtype=np.float32), std)
            forged.append(noise + u if self.mode == "add" else noise)
        return forged


@dataclass(frozen=True)
class ModelReplacement(Stateless):
    """Each attacker scales its own delta so that the mean lands on its model: boost * u_own.

    Bagdasaryan et al., AISTATS 2020, equation 3, with w_bad the model trained on poisoned data and
    u_own = w_bad - w. Under the mean of n participants with equal weights, boost = n / f makes the
    f attackers' mean replace the global model.
    """

    boost: float | None = None
    """Factor on the delta; by default participants / attackers. Under a mean weighted by samples
    the right value is total samples / attackers' samples."""

    def __post_init__(self) -> None:
        if self.boost is not None:
            check_positive("boost", self.boost)

    def deltas(
        self, own: Sequence[Vector], honest: Sequence[Vector], rng: np.random.Generator
    ) -> list[Vector]:
        """Scale each own delta."""
        boost = (len(own) + len(honest)) / len(own) if self.boost is None else self.boost
        return [scaled(u, boost) for u in own]


@dataclass(frozen=True)
class Cancellation(Stateless):
    """The same huge value everywhere: (magnitude, ..., magnitude).

    A test of arithmetic, this project's own. A rule that discards extremes loses nothing; a trimmed
    mean computed as the sum of all less the extremes loses the honest values to float32 rounding:
    at 1e6 its result points away from the true one.
    """

    magnitude: float = 1e6
    """Value of every coordinate."""

    def __post_init__(self) -> None:
        check_positive("magnitude", self.magnitude)

    def deltas(
        self, own: Sequence[Vector], honest: Sequence[Vector], rng: np.random.Generator
    ) -> list[Vector]:
        """Send the constant."""
        return [np.full(len(own[0]), self.magnitude, np.float32)] * len(own)
