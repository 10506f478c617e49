"""What an aggregation rule is: two functions over explicit state.

A rule knows nothing of Flower, torch, files or clients' identities. It gets the global vector and
one float32 vector per admitted client and returns the new global vector. Median and trimmed mean
act on the weights themselves; rules that need differences form them from `theta` (spec 2.2).
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError

Vector = NDArray[np.float32]
State = dict[str, NDArray[Any]]
"""Named arrays that a rule carries from round to round; saved in every checkpoint. {} if stateless."""


@runtime_checkable
class Aggregator(Protocol):
    """An aggregation rule: a frozen dataclass whose fields are its settings."""

    coordinatewise: ClassVar[bool]
    """True where the rule treats each coordinate alone and keeps no state, so that it may also be
    applied to BatchNorm statistics (buffers: rule)."""

    def min_clients(self) -> int:
        """Fewest admitted clients a round needs; with fewer the round fails and the model is kept."""
        ...

    def init(self, theta: Vector) -> State:
        """State before the first round, for a global vector (D,)."""
        ...

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """One round: theta (D,), N client vectors (D,) sorted by client id, weights (N,) samples held.

        Returns the new global vector and the new state; inputs are never written to.
        Raises FedgroupError when N is below min_clients().
        """
        ...


def influence_of(
    rule: Aggregator,
    state: State,
    theta: Vector,
    clients: Sequence[Vector],
    weights: NDArray[np.float64],
    new: Vector,
) -> NDArray[np.float64] | None:
    """Ask a rule how much each client decided: shares (N,) that sum to 1; None where it cannot say.

    A rule says so with an optional method `influence(state, theta, clients, weights, new)`, given the
    state before the step and the vector after it: the share of coordinates or of weight that survived.
    """
    ask = getattr(rule, "influence", None)
    return None if ask is None else ask(state, theta, clients, weights, new)


def require_clients(rule: Aggregator, count: int) -> None:
    """Refuse a cohort that is too small; no setting of a rule is ever lowered to fit."""
    needed = rule.min_clients()
    if count < needed:
        raise FedgroupError(
            f"{type(rule).__name__} needs at least {needed} clients, this round has {count}: "
            f"sample more clients per round or choose a rule that fits the cohort"
        )


def copy_state(state: Mapping[str, NDArray[Any]]) -> State:
    """Deep copy of a state (for checkpoints and for rules that update in place)."""
    return {name: array.copy() for name, array in state.items()}
