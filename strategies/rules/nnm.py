"""Nearest-neighbour mixing, a pre-aggregator."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from fedgroup.spec import component
from fedgroup.train import TrainConfig
from strategies import NAMES
from strategies.aggregator import (
    Aggregator,
    State,
    Vector,
    check_start,
    is_order_dependent,
    needs_of,
    no_effect,
    require_clients,
)
from strategies.kernels import coordinatewise
from strategies.kernels.geometry import gram, squared_distances
from strategies.rules.settings import is_count, refuse_root
from strategies.server.influence import influence_of


@dataclass(frozen=True)
class NNM:
    """Each vector is mixed with its nearest ones, then any rule is applied.

        y_i = mean of the N - f vectors w_j nearest to w_i, itself included
        w'  = rule(y_1, ..., y_N)

    Allouah, Farhadkhani, Guerraoui, Gupta, Pinot, Stephan, "Fixing by mixing: a recipe for optimal
    Byzantine ML under heterogeneity", AISTATS 2023, algorithm 2.

    Departures: ties go to the lowest client id. N more vectors are in memory while the rule runs.
    """

    coordinatewise: ClassVar[bool] = False

    rule: Aggregator = component(NAMES, "trimmed_mean")
    """Rule applied to the mixed vectors."""
    f: int = 2
    """Clients per round assumed bad."""

    def __post_init__(self) -> None:
        if not is_count(self.f):
            raise FedgroupError(f"nnm: f must be at least 0, got {self.f}")
        refuse_root("nnm", self.rule)

    @property
    def needs(self) -> tuple[str, ...]:
        """What the rule needs: a mixed vector has its client's id and its members' mean loss."""
        return needs_of(self.rule)

    @property
    def order_dependent(self) -> bool:
        """Whether the rule is."""
        return is_order_dependent(self.rule)

    def min_clients(self) -> int:
        """Return f + 1, or what the rule needs where that is more."""
        return max(self.f + 1, self.rule.min_clients())

    def check_start(self, cohort: int, train: TrainConfig | None) -> None:
        """Ask the rule."""
        check_start(self.rule, cohort, train)

    def no_effect(self, cohort: int) -> str:
        """Say that f 0 mixes all clients, or what the rule says."""
        return no_effect(self.rule, cohort) if self.f else "the mean of all clients (f 0)"

    def init(self, theta: Vector) -> State:
        """Return the rule's state."""
        return self.rule.init(theta)

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Mix, then apply the rule."""
        require_clients(self, len(clients))
        near = self.neighbours(theta, clients)
        if "losses" in state:
            state = {**state, "losses": state["losses"][near].mean(axis=1)}
        return self.rule.step(state, theta, _mixed(clients, near), weights)

    def influence(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
        new: Vector,
    ) -> NDArray[np.float64] | None:
        """Return the mixed vectors' influence, divided among those they are the mean of."""
        near = self.neighbours(theta, clients)
        inner = influence_of(self.rule, state, theta, _mixed(clients, near), weights, new)
        if inner is None:
            return None
        share = np.zeros(len(clients))
        for members, value in zip(near, inner, strict=True):
            share[members] += value / len(members)
        return share

    def neighbours(self, theta: Vector, clients: Sequence[Vector]) -> NDArray[np.int64]:
        """Return the members of each mixed vector, ascending; (N, N - f)."""
        distances = squared_distances(gram(clients, theta))
        order = np.argsort(distances, axis=1, kind="stable")[:, : len(clients) - self.f]
        return np.sort(order, axis=1)


def _mixed(clients: Sequence[Vector], near: NDArray[np.int64]) -> list[Vector]:
    return [coordinatewise.mean([clients[j] for j in members]) for members in near]
