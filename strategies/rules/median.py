"""Coordinate-wise median."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from strategies.aggregator import State, Vector, require_clients
from strategies.kernels import coordinatewise


@dataclass(frozen=True)
class Median:
    """Coordinate-wise median.

        w'_j = median_i w_ij

    j: a coordinate. Yin, Chen, Ramchandran, Bartlett, "Byzantine-robust distributed learning:
    towards optimal statistical rates", ICML 2018, definition 1. Unweighted.

    Departures: it acts on the weights, which in real arithmetic gives the same as acting on the
    updates. Even cohorts take the midpoint of the two middle values, bitwise as np.median (torch's
    median takes the lower one); where their sum would overflow to inf, the finite midpoint
    0.5*a + 0.5*b is returned instead.
    """

    coordinatewise: ClassVar[bool] = True

    def min_clients(self) -> int:
        """One."""
        return 1

    def no_effect(self, cohort: int) -> str:
        """Say that the median of one or two clients is their mean."""
        return f"FedAvg (a cohort of {cohort})" if cohort <= 2 else ""

    def init(self, theta: Vector) -> State:
        """Return no state."""
        return {}

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Take the medians: the same bits for any client order."""
        require_clients(self, len(clients))
        return coordinatewise.median(clients), state

    def influence(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
        new: Vector,
    ) -> NDArray[np.float64]:
        """Return the share of coordinates whose median is (half) this client's value."""
        n = len(clients)
        return coordinatewise.survival(clients, (n - 1) // 2, n // 2)
