"""What an aggregation rule is: two functions over explicit state.

A rule knows nothing of Flower, torch, files or who the clients are. It gets the global vector and
one float32 vector per admitted client and returns the new global vector. Median and trimmed mean
act on the weights w_i themselves; rules that need updates form d_i = w_i - theta.

`Aggregator` is all that a rule must have. What it may say besides is declared by the protocols
after it: `TellsInfluence`, `NeedsInputs`, `OrderDependent`, `ChecksStart` and `TellsNoEffect`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError, unknown
from fedgroup.spec import Component
from fedgroup.train import TrainConfig

Vector = NDArray[np.float32]
"""Flat parameters of a model, (D,) float32."""
State = dict[str, NDArray[Any]]
"""Named arrays that a rule carries from round to round, saved in every checkpoint; {} if none."""

INPUTS: Mapping[str, str] = {
    "root": "parameters (D,) float32 after the server's own training on its root set, this round",
    "ids": "partition ids (N,) int64 of the clients of this round",
    "losses": "mean training loss (N,) float64 of each client's last epoch; NaN where it says none",
}
"""What a rule may ask the server for (`NeedsInputs`), by its name in the state."""


class Aggregator(Component, Protocol):
    """An aggregation rule: a frozen dataclass whose fields are its settings."""

    coordinatewise: ClassVar[bool]
    """True where the rule treats each coordinate alone and keeps no state, so that it may also be
    applied to BatchNorm statistics (buffers: rule)."""

    def min_clients(self) -> int:
        """Return the fewest admitted clients of a round; with fewer the model is kept."""
        ...

    def init(self, theta: Vector) -> State:
        """Return the state before the first round, for a global vector (D,)."""
        ...

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Aggregate one round; nothing that is passed in is written to.

        Args:
            state: What init() or the last step() returned.
            theta: Global parameters (D,) float32 that the clients started from.
            clients: Parameters of each of the N clients, (D,) float32, sorted by client id.
            weights: Training samples of each client, (N,) float64.

        Returns:
            The new global parameters (D,) float32, which share no memory with the arguments, and
            the new state.

        Raises:
            FedgroupError: N is below min_clients(), or the result is not usable.
        """
        ...


@runtime_checkable
class TellsInfluence(Protocol):
    """A rule that can say how much each client decided."""

    def influence(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
        new: Vector,
    ) -> NDArray[np.float64] | None:
        """Return each client's share of the step: of the coordinates or the weight that survived.

        Args:
            state: State before the step.
            theta: Global parameters before the step, (D,) float32.
            clients: Parameters of the N clients, (D,) float32 each.
            weights: Training samples of each client, (N,) float64.
            new: Global parameters after the step, (D,) float32.

        Returns:
            Shares (N,) that are not negative and sum to 1; all 0 where no client was heard; None
            where the rule cannot say.
        """
        ...


@runtime_checkable
class NeedsInputs(Protocol):
    """A rule that asks the server for more than the clients' vectors.

    Before every step the server puts each input into the state under its name. What step() leaves
    of them in its state is saved in the checkpoint; init() then holds a first value.
    """

    @property
    def needs(self) -> tuple[str, ...]:
        """Names out of INPUTS."""
        ...


@runtime_checkable
class OrderDependent(Protocol):
    """A rule whose result may depend on the order of the clients: it draws lots by position."""

    @property
    def order_dependent(self) -> bool:
        """Whether it does; no other rule may."""
        ...


@runtime_checkable
class ChecksStart(Protocol):
    """A rule that can say before a run why it will not work."""

    def check_start(self, cohort: int, train: TrainConfig | None) -> None:
        """Refuse what cannot work, or works otherwise than its settings say.

        Args:
            cohort: Clients of a round.
            train: How the clients train; None where that is not known.

        Raises:
            FedgroupError: It cannot; the text is the reason and the remedy.
        """
        ...


@runtime_checkable
class TellsNoEffect(Protocol):
    """A rule that can say where its settings make it another, plainer one."""

    def no_effect(self, cohort: int) -> str:
        """Return what it comes down to with so many clients, and why; "" where it is itself."""
        ...


def check_start(rule: Aggregator, cohort: int, train: TrainConfig | None) -> None:
    """Refuse a rule that says it cannot work (see `ChecksStart`).

    Args:
        rule: The rule.
        cohort: Clients of a round.
        train: How the clients train; None where that is not known.
    """
    needs_of(rule)
    if isinstance(rule, ChecksStart):
        rule.check_start(cohort, train)


def no_effect(rule: Aggregator, cohort: int) -> str:
    """Return what a rule comes down to with a cohort of this size; "" where it is itself."""
    return rule.no_effect(cohort) if isinstance(rule, TellsNoEffect) else ""


def needs_of(rule: Aggregator) -> tuple[str, ...]:
    """Return the inputs that a rule asks the server for; refuse a name that is not in INPUTS."""
    needs = rule.needs if isinstance(rule, NeedsInputs) else ()
    for name in needs:
        if name not in INPUTS:
            raise unknown(f"input of the server, which {type(rule).__name__} needs,", name, INPUTS)
    return needs


def is_order_dependent(rule: Aggregator) -> bool:
    """Return whether a rule declares that the order of the clients may change its result."""
    return isinstance(rule, OrderDependent) and rule.order_dependent


def require_clients(rule: Aggregator, count: int) -> None:
    """Refuse a cohort that is too small; no setting of a rule is ever lowered to fit."""
    needed = rule.min_clients()
    if count < needed:
        raise FedgroupError(
            f"{type(rule).__name__} needs at least {needed} clients, this round has {count}: "
            f"sample more clients per round or choose a rule that fits the cohort"
        )


def copy_state(state: Mapping[str, NDArray[Any]]) -> State:
    """Return a deep copy of a state."""
    return {name: array.copy() for name, array in state.items()}
