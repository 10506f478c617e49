"""Bucketing, a pre-aggregator."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from fedgroup.seeding import rng
from fedgroup.spec import component
from fedgroup.train import TrainConfig
from strategies import NAMES
from strategies.aggregator import (
    Aggregator,
    State,
    Vector,
    check_start,
    needs_of,
    no_effect,
    require_clients,
)
from strategies.kernels import coordinatewise
from strategies.rules.settings import is_count, refuse_root
from strategies.server.influence import influence_of


@dataclass(frozen=True)
class Bucketing:
    """Random buckets of clients are averaged, then any rule is applied to the means.

        y_b = mean of the w_i in bucket b, b = 1..B, B = ceil(N / s);   w' = rule(y_1, ..., y_B)

    A seeded permutation of the clients is cut into buckets of s; the last may be short.
    Karimireddy, He, Jaggi, "Byzantine-robust learning on heterogeneous datasets via bucketing",
    ICLR 2022, algorithm 1.

    Departures: it acts on the weights of a round, not on the workers' momenta. The rule must fit
    the number of buckets, not of clients: trim 2 needs 5 buckets. State: `round`, which addresses
    the permutation, and the rule's own under `rule.`.
    """

    coordinatewise: ClassVar[bool] = False
    order_dependent: ClassVar[bool] = True
    """Lots are drawn by position."""

    rule: Aggregator = component(NAMES, "median")
    """Rule applied to the buckets."""
    s: int = 2
    """Clients per bucket."""
    seed: int = 0
    """Seed of the permutations."""

    def __post_init__(self) -> None:
        if not is_count(self.s, 1):
            raise FedgroupError(f"bucketing: s must be at least 1, got {self.s}")
        refuse_root("bucketing", self.rule)

    @property
    def needs(self) -> tuple[str, ...]:
        """What the rule needs, but for ids: a bucket has its members' mean loss and is nobody."""
        return tuple(name for name in needs_of(self.rule) if name != "ids")

    def min_clients(self) -> int:
        """Return the fewest clients whose buckets satisfy the rule."""
        return (self.rule.min_clients() - 1) * self.s + 1

    def check_start(self, cohort: int, train: TrainConfig | None) -> None:
        """Ask the rule, which meets buckets."""
        check_start(self.rule, -(-cohort // self.s), train)

    def no_effect(self, cohort: int) -> str:
        """Say where there is one bucket, or a bucket for each client, or what the rule says."""
        if self.s >= cohort:
            return f"the mean of all clients (one bucket of {cohort})"
        if self.s == 1:
            return f"its rule alone, {type(self.rule).__name__} (buckets of one client)"
        return no_effect(self.rule, -(-cohort // self.s))

    def init(self, theta: Vector) -> State:
        """Return round 0 and the rule's state."""
        return {"round": np.zeros((), np.int64), **_prefixed(self.rule.init(theta))}

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Average the buckets, then apply the rule; a bucket weighs as much as its members."""
        require_clients(self, len(clients))
        buckets, means, sums = self._averaged(state, clients, weights)
        own = _own(state)
        if "losses" in state:
            own["losses"] = np.array([state["losses"][bucket].mean() for bucket in buckets])
        new, inner = self.rule.step(own, theta, means, sums)
        return new, {"round": np.asarray(state["round"] + 1), **_prefixed(inner)}

    def influence(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
        new: Vector,
    ) -> NDArray[np.float64] | None:
        """Return a bucket's influence, divided among its members."""
        buckets, means, sums = self._averaged(state, clients, weights)
        inner = influence_of(self.rule, _own(state), theta, means, sums, new)
        if inner is None:
            return None
        share = np.zeros(len(clients))
        for bucket, value in zip(buckets, inner, strict=True):
            share[bucket] = value / len(bucket)
        return share

    def buckets(self, state: State, count: int) -> list[NDArray[np.int64]]:
        """Return the members of each bucket of this round, ascending."""
        order = rng(self.seed, "bucketing", int(state["round"])).permutation(count)
        return [np.sort(order[start : start + self.s]) for start in range(0, count, self.s)]

    def _averaged(
        self, state: State, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[list[NDArray[np.int64]], list[Vector], NDArray[np.float64]]:
        """Return the members, the mean vector (D,) and the weight of each bucket."""
        buckets = self.buckets(state, len(clients))
        means = [coordinatewise.mean([clients[i] for i in bucket]) for bucket in buckets]
        return buckets, means, np.array([weights[bucket].sum() for bucket in buckets])


def _prefixed(state: State) -> State:
    return {f"rule.{name}": array for name, array in state.items()}


def _own(state: State) -> State:
    """Return the rule's own part of the state."""
    return {
        name.removeprefix("rule."): array
        for name, array in state.items()
        if name.startswith("rule.")
    }
