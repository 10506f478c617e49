"""Update-level attacks: what the attackers among this round's participants send instead of their update.

All work on deltas u_i = w_i - w, local weights less the global ones. The attackers see the honest deltas
that were admitted this round, after the honest clients' own processing. Vectors are float32 (P,); sums run
in float64 over chunks, so that no matrix of clients by parameters is ever held.

Here are the attacks that need no statistics of the honest deltas; byzantine_collusion and byzantine_mimic
hold the others. Integer buffers, BatchNorm statistics and declared sample counts are the host's business.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError

Vector = NDArray[np.float32]
State = dict[str, NDArray[Any]]
"""Named arrays an attack carries from round to round, saved in every checkpoint; {} if it has none."""

CHUNK = 1 << 16
"""Coordinates held in float64 at a time."""


class UpdateAttack(Protocol):
    """An update-level attack component: a frozen dataclass of settings."""

    def init(self, size: int) -> State:
        """State before the first round, for deltas of `size` parameters."""
        ...

    def forge(
        self,
        state: State,
        own: Sequence[Vector],
        honest: Sequence[Vector],
        rng: np.random.Generator,
        ids: Sequence[int] | None = None,
    ) -> tuple[list[Vector], State]:
        """Return one delta (P,) float32 per attacker, in the order of `own`, and the new state.

        `own` are the deltas the f attackers of this round would send if they were honest, `honest` those
        of the n - f other participants; `ids` names the honest clients (default: their positions). No
        input is written to; attackers that send the same delta share one array. Without attackers the
        round is left alone: [] and the same state.
        """
        ...


class Stateless(ABC):
    """Base of the attacks that carry nothing from round to round: they give their `deltas` alone."""

    @property
    def needs_honest(self) -> bool:
        """True where honest deltas are computed with, which must then be there and finite."""
        return False

    @abstractmethod
    def deltas(
        self, own: Sequence[Vector], honest: Sequence[Vector], rng: np.random.Generator
    ) -> list[Vector]:
        """What the attackers send: one delta (P,) per own one. There is at least one; all are checked."""

    def init(self, size: int) -> State:
        """No state: {}."""
        return {}

    def forge(
        self,
        state: State,
        own: Sequence[Vector],
        honest: Sequence[Vector],
        rng: np.random.Generator,
        ids: Sequence[int] | None = None,
    ) -> tuple[list[Vector], State]:
        """The `deltas`, and the state as it is."""
        if not own:
            return [], state
        check(own, honest, self, self.needs_honest)
        return self.deltas(own, honest, rng), state


def check(
    own: Sequence[Vector], honest: Sequence[Vector], attack: object, needs_honest: bool
) -> None:
    """Refuse other dtypes or shapes; where they are needed, honest deltas missing or not finite too."""
    size = len(own[0])
    for kind, vectors in (("own", own), ("honest", honest)):
        for i, vector in enumerate(vectors):
            if vector.dtype != np.float32 or vector.shape != (size,):
                raise FedgroupError(
                    f"{kind} delta {i} is {vector.dtype} {vector.shape}, expected float32 ({size},)"
                )
    if needs_honest:
        if not len(honest):
            raise FedgroupError(
                f"{type(attack).__name__} forges from honest deltas, but all {len(own)} participants of this "
                f"round are attackers: sample more clients per round or use fewer attackers"
            )
        for i, vector in enumerate(honest):
            # a float64 sum of finite float32 values cannot overflow
            if not np.isfinite(vector.sum(dtype=np.float64)):
                raise FedgroupError(
                    f"honest delta {i} has values that are not finite: hand over admitted deltas only"
                )


def check_positive(name: str, value: float) -> None:
    """Refuse a setting that is not a positive float32 number."""
    if not 0 < value <= float(np.finfo(np.float32).max):
        raise FedgroupError(f"{name} must be positive and finite in float32, got {value}")


def scaled(vector: Vector, factor: float) -> Vector:
    """factor * vector in float32; what overflows becomes inf, which the server refuses by name."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.multiply(vector, np.float32(factor))


def norm(vector: Vector) -> float:
    """L2 norm of a delta, summed in float64."""
    parts = (vector[low : low + CHUNK].astype(np.float64) for low in range(0, len(vector), CHUNK))
    return math.sqrt(sum(float(part @ part) for part in parts))


@dataclass(frozen=True)
class SignFlip(Stateless):
    """Each attacker negates its own final delta: -scale * u_own (Li et al., RSA, AAAI 2019).

    Sending the negated honest mean is ipm with epsilon 1; negating gradients in every local step is a
    different attack.
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
    """Noise, drawn anew by each attacker: N(0, s^2 I), alone or added (Blanchard et al., NeurIPS 2017)."""

    mode: Literal["replace", "add"] = "replace"
    """replace sends the noise alone; add puts it on the attacker's own delta."""
    std: float = 200.0
    """Standard deviation s of each coordinate (200 in the source); the noise's norm is about s * sqrt(P)."""
    relative: bool = False
    """Read std as the noise's expected norm in units of the median norm of the honest deltas."""

    def __post_init__(self) -> None:
        check_positive("std", self.std)

    @property
    def needs_honest(self) -> bool:
        """Only for their median norm."""
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
    """Each attacker scales its own delta so that the mean lands on its model (Bagdasaryan et al., 2020).

    Attackers trained on poisoned data send boost * (w_bad - w). Under the mean of n participants with
    equal weights, boost = n / f makes the f attackers' mean replace the global model.
    """

    boost: float | None = None
    """Factor on the delta; by default participants / attackers. Under a mean weighted by samples the
    right value is total samples / attackers' samples."""

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
    """The same huge value everywhere: harmless to a rule that discards it, fatal to one that subtracts it.

    A trimmed mean computed as the sum of all less the extremes loses the honest values to float32
    rounding: at 1e6 its result points away from the true one (spec federated 2.4).
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
