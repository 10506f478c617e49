"""Nearest-neighbour mixing, a pre-aggregator."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from fedgroup.spec import component
from strategies import NAMES
from strategies.aggregator import Aggregator, State, Vector, influence_of, require_clients
from strategies.kernels import coordinatewise
from strategies.kernels.geometry import gram, squared_distances


@dataclass(frozen=True)
class NNM:
    """Mix each vector with its nearest, then apply any rule (Allouah et al., AISTATS 2023, algorithm 2).

    y_i = mean of the N - f vectors nearest to w_i, itself included (ties: lowest client id). Holds N more
    vectors in memory while the rule runs.
    """

    coordinatewise: ClassVar[bool] = False

    rule: Any = component(NAMES, "trimmed_mean")
    """Rule applied to the mixed vectors."""
    f: int = 2
    """Clients per round assumed bad."""

    def __post_init__(self) -> None:
        if self.f < 0:
            raise FedgroupError(f"nnm: f must be at least 0, got {self.f}")

    def min_clients(self) -> int:
        return max(self.f + 1, self._rule().min_clients())

    def init(self, theta: Vector) -> State:
        """The rule's state."""
        return self._rule().init(theta)

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """New weights (D,)."""
        require_clients(self, len(clients))
        near = self.neighbours(theta, clients)
        return self._rule().step(state, theta, _mixed(clients, near), weights)

    def influence(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
        new: Vector,
    ) -> NDArray[np.float64] | None:
        """The mixed vectors' influence, divided among those they are the mean of, (N,)."""
        near = self.neighbours(theta, clients)
        inner = influence_of(self._rule(), state, theta, _mixed(clients, near), weights, new)
        if inner is None:
            return None
        share = np.zeros(len(clients))
        for members, value in zip(near, inner, strict=True):
            share[members] += value / len(members)
        return share

    def neighbours(self, theta: Vector, clients: Sequence[Vector]) -> NDArray[np.int64]:
        """Members of each mixed vector, ascending; (N, N - f)."""
        distances = squared_distances(gram(clients, theta))
        order = np.argsort(distances, axis=1, kind="stable")[:, : len(clients) - self.f]
        return np.sort(order, axis=1)

    def _rule(self) -> Aggregator:
        rule: Aggregator = self.rule
        return rule


def _mixed(clients: Sequence[Vector], near: NDArray[np.int64]) -> list[Vector]:
    return [coordinatewise.mean([clients[j] for j in members]) for members in near]
