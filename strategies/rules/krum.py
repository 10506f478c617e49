"""Krum and Multi-Krum."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from strategies.aggregator import State, Vector, require_clients
from strategies.kernels import coordinatewise
from strategies.kernels.geometry import gram, squared_distances
from strategies.rules.settings import is_count


def scores(theta: Vector, clients: Sequence[Vector], f: int) -> NDArray[np.float64]:
    """Add up the squared distances of each client to its nearest others.

    Distances are taken on updates: from a Gram matrix of raw weights cancellation picks wrong
    clients.

    Args:
        theta: Global parameters, (D,) float32.
        clients: Parameters of the N clients, (D,) float32 each.
        f: Clients assumed bad; the N - f - 2 nearest others count.

    Returns:
        Krum scores, (N,).
    """
    distances = squared_distances(gram(clients, theta))
    near = np.sort(distances, axis=1)[:, 1 : len(clients) - f - 1]  # column 0 is the client itself
    return np.asarray(near.sum(axis=1))


@dataclass(frozen=True)
class MultiKrum:
    """Mean of the m clients of lowest Krum score.

        s(i) = sum of ||d_i - d_j||^2 over the N - f - 2 nearest j
        w'   = mean of the w_i of the m lowest s(i)

    d_i = w_i - w. Blanchard, El Mhamdi, Guerraoui, Stainer, "Machine learning with adversaries:
    Byzantine tolerant gradient descent", NeurIPS 2017, section 4. Unweighted; needs N >= 2f + 3.

    Departures: distances on updates in float64; ties go to the lowest client id.
    """

    coordinatewise: ClassVar[bool] = False

    f: int = 2
    """Clients per round assumed bad."""
    m: int | None = None
    """Clients averaged; default N - f."""

    def __post_init__(self) -> None:
        if not is_count(self.f) or (self.m is not None and not is_count(self.m, 1)):
            raise FedgroupError(
                f"f must be at least 0 and m at least 1, got f={self.f}, m={self.m}"
            )

    def min_clients(self) -> int:
        """Return 2f + 3, or m where that is more."""
        return max(2 * self.f + 3, self.m or 1)

    def no_effect(self, cohort: int) -> str:
        """Say where all clients are averaged."""
        count = cohort - self.f if self.m is None else self.m
        return f"FedAvg (all {cohort} clients are averaged)" if count >= cohort else ""

    def init(self, theta: Vector) -> State:
        """Return no state."""
        return {}

    def chosen(self, theta: Vector, clients: Sequence[Vector]) -> NDArray[np.int64]:
        """Return the positions of the clients averaged, ascending."""
        count = len(clients) - self.f if self.m is None else self.m
        return np.sort(np.argsort(scores(theta, clients, self.f), kind="stable")[:count])

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Average the chosen clients."""
        require_clients(self, len(clients))
        return coordinatewise.mean([clients[i] for i in self.chosen(theta, clients)]), state

    def influence(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
        new: Vector,
    ) -> NDArray[np.float64]:
        """Return 1/m for the clients averaged, 0 for the others."""
        chosen = self.chosen(theta, clients)
        share = np.zeros(len(clients))
        share[chosen] = 1 / len(chosen)
        return share


@dataclass(frozen=True)
class Krum:
    """The single client of lowest Krum score.

        w' = w_i*,   i* = argmin_i s(i),   s as in Multi-Krum

    Blanchard, El Mhamdi, Guerraoui, Stainer, "Machine learning with adversaries: Byzantine tolerant
    gradient descent", NeurIPS 2017, section 4. Needs N >= 2f + 3.

    Departures: those of Multi-Krum.
    """

    coordinatewise: ClassVar[bool] = False

    f: int = 2
    """Clients per round assumed bad."""

    def __post_init__(self) -> None:
        MultiKrum(self.f)

    def min_clients(self) -> int:
        """Return 2f + 3."""
        return 2 * self.f + 3

    def init(self, theta: Vector) -> State:
        """Return no state."""
        return {}

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Copy the chosen client."""
        require_clients(self, len(clients))
        return MultiKrum(self.f, 1).step(state, theta, clients, weights)

    def influence(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
        new: Vector,
    ) -> NDArray[np.float64]:
        """Return 1 for the chosen client, 0 for the others."""
        return MultiKrum(self.f, 1).influence(state, theta, clients, weights, new)
