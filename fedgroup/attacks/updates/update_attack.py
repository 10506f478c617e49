"""What an attack on updates is: malicious clients send something else than what they trained.

Here are the Protocol, the base class of the attacks without state, and the checks and sums that the
attacks share. Sums run in float64 over chunks, so that no matrix of clients by parameters is held.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError

Vector = NDArray[np.float32]
"""A delta, (P,) float32."""
State = dict[str, NDArray[Any]]
"""Named arrays an attack carries from round to round, saved in every checkpoint; {} if it has
none."""

CHUNK = 1 << 16
"""Coordinates held in float64 at a time."""


class UpdateAttack(Protocol):
    """An update-level attack component: a frozen dataclass of settings.

    It works on deltas u_i = w_i - w, a client's local weights less the global ones, of n
    participants of which f are attackers. P is the number of parameters. Integer buffers, BatchNorm
    statistics and declared sample counts are left to the server.
    """

    def init(self, size: int) -> State:
        """Return the state before the first round.

        Args:
            size: P, the number of parameters of a delta.

        Returns:
            Named arrays; {} for an attack that carries nothing from round to round.
        """
        ...

    def forge(
        self,
        state: State,
        own: Sequence[Vector],
        honest: Sequence[Vector],
        rng: np.random.Generator,
        ids: Sequence[int] | None = None,
    ) -> tuple[list[Vector], State]:
        """Return what the attackers of a round send instead of their deltas.

        No input is written to. Without attackers the round is left alone: [] and the same state.

        Args:
            state: What `init` or the last round's `forge` returned.
            own: The deltas (P,) that the f attackers would send if they were honest.
            honest: The deltas (P,) of the n - f other participants that were admitted this round.
            rng: Generator of this round.
            ids: Partition ids of the honest clients; by default their positions.

        Returns:
            One delta (P,) float32 per attacker, in the order of `own` (attackers that send the same
            one share the array), and the new state.

        Raises:
            FedgroupError: The deltas do not allow the attack.
        """
        ...


class Stateless(ABC):
    """Base of the attacks that carry nothing from round to round: they define `deltas` alone."""

    @property
    def needs_honest(self) -> bool:
        """Whether honest deltas are computed with, which must then be there and finite."""
        return False

    @abstractmethod
    def deltas(
        self, own: Sequence[Vector], honest: Sequence[Vector], rng: np.random.Generator
    ) -> list[Vector]:
        """Return what the attackers send, as `forge` does.

        Args:
            own: The deltas (P,) of the attackers, at least one; checked.
            honest: The deltas (P,) of the other participants; checked.
            rng: Generator of this round.

        Returns:
            One delta (P,) float32 per attacker.
        """

    def init(self, size: int) -> State:
        """Return no state: {}."""
        return {}

    def forge(
        self,
        state: State,
        own: Sequence[Vector],
        honest: Sequence[Vector],
        rng: np.random.Generator,
        ids: Sequence[int] | None = None,
    ) -> tuple[list[Vector], State]:
        """Return the `deltas` and the state as it is."""
        if not own:
            return [], state
        check(own, honest, self, self.needs_honest)
        return self.deltas(own, honest, rng), state


def check(
    own: Sequence[Vector], honest: Sequence[Vector], attack: object, needs_honest: bool
) -> None:
    """Refuse deltas that an attack cannot work with.

    Args:
        own: Deltas of the attackers, at least one.
        honest: Deltas of the other participants.
        attack: The attack, named in messages.
        needs_honest: Whether honest deltas must be there and finite.

    Raises:
        FedgroupError: A delta is not float32 or not of the first one's length, or an honest one
            that is needed is missing or not finite.
    """
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
                f"{type(attack).__name__} forges from honest deltas, but all {len(own)} "
                f"participants of this round are attackers: sample more clients per round or use "
                f"fewer attackers"
            )
        for i, vector in enumerate(honest):
            # a float64 sum of finite float32 values cannot overflow
            if not np.isfinite(vector.sum(dtype=np.float64)):
                raise FedgroupError(
                    f"honest delta {i} has values that are not finite: "
                    f"hand over admitted deltas only"
                )


def check_positive(name: str, value: float) -> None:
    """Refuse a setting that is not a positive float32 number."""
    if not 0 < value <= float(np.finfo(np.float32).max):
        raise FedgroupError(f"{name} must be positive and finite in float32, got {value}")


def scaled(vector: Vector, factor: float) -> Vector:
    """Return factor * vector in float32; overflow becomes inf, which the server refuses by name."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.multiply(vector, np.float32(factor))


def norm(vector: Vector) -> float:
    """Return the L2 norm of a delta, summed in float64."""
    parts = (vector[low : low + CHUNK].astype(np.float64) for low in range(0, len(vector), CHUNK))
    return math.sqrt(sum(float(part @ part) for part in parts))
