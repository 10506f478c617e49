"""Bucketing, a pre-aggregator."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from fedgroup.seeding import rng
from fedgroup.spec import component
from strategies import NAMES
from strategies.aggregator import Aggregator, State, Vector, influence_of, require_clients
from strategies.kernels import coordinatewise


@dataclass(frozen=True)
class Bucketing:
    """Average random buckets, then apply any rule to them (Karimireddy et al., ICLR 2022, algorithm 1).

    A seeded permutation cuts the N clients into ceil(N/s) buckets (the last may be short); the rule sees
    one mean vector per bucket, and must fit their number: trim 2 needs 5 buckets. State: the round
    count that addresses the permutation, and the rule's own.
    """

    coordinatewise: ClassVar[bool] = False

    rule: Any = component(NAMES, "median")
    """Rule applied to the buckets."""
    s: int = 2
    """Clients per bucket."""
    seed: int = 0
    """Seed of the permutations."""

    def __post_init__(self) -> None:
        if self.s < 1:
            raise FedgroupError(f"bucketing: s must be at least 1, got {self.s}")

    def min_clients(self) -> int:
        """Fewest clients whose buckets satisfy the rule."""
        return (self._rule().min_clients() - 1) * self.s + 1

    def init(self, theta: Vector) -> State:
        """Round 0 and the rule's state."""
        return {"round": np.zeros((), np.int64), **_prefixed(self._rule().init(theta))}

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """New weights (D,); a bucket's weight is the sum of its members'."""
        require_clients(self, len(clients))
        buckets = self.buckets(state, len(clients))
        means = [coordinatewise.mean([clients[i] for i in bucket]) for bucket in buckets]
        sums = np.array([weights[bucket].sum() for bucket in buckets])
        new, inner = self._rule().step(_own(state), theta, means, sums)
        return new, {"round": np.asarray(state["round"] + 1), **_prefixed(inner)}

    def influence(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
        new: Vector,
    ) -> NDArray[np.float64] | None:
        """A bucket's influence, divided among its members, (N,)."""
        buckets = self.buckets(state, len(clients))
        means = [coordinatewise.mean([clients[i] for i in bucket]) for bucket in buckets]
        sums = np.array([weights[bucket].sum() for bucket in buckets])
        inner = influence_of(self._rule(), _own(state), theta, means, sums, new)
        if inner is None:
            return None
        share = np.zeros(len(clients))
        for bucket, value in zip(buckets, inner, strict=True):
            share[bucket] = value / len(bucket)
        return share

    def buckets(self, state: State, count: int) -> list[NDArray[np.int64]]:
        """Members of each bucket of this round, ascending."""
        order = rng(self.seed, "bucketing", int(state["round"])).permutation(count)
        return [np.sort(order[start : start + self.s]) for start in range(0, count, self.s)]

    def _rule(self) -> Aggregator:
        rule: Aggregator = self.rule
        return rule


def _prefixed(state: State) -> State:
    return {f"rule.{name}": array for name, array in state.items()}


def _own(state: State) -> State:
    return {
        name.removeprefix("rule."): array
        for name, array in state.items()
        if name.startswith("rule.")
    }
