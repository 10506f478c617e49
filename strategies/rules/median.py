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
    """Coordinate-wise median: w'_j = median_i w_ij (Yin et al., ICML 2018, definition 1).

    Unweighted. Even cohorts take the midpoint of the two middle values, bitwise as np.median; where
    their sum would overflow to inf, the finite midpoint 0.5*a + 0.5*b is returned instead.
    """

    coordinatewise: ClassVar[bool] = True

    def min_clients(self) -> int:
        return 1

    def init(self, theta: Vector) -> State:
        return {}

    def step(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
    ) -> tuple[Vector, State]:
        """New weights (D,) float32, the same bits for any client order."""
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
        """Share of coordinates whose median is (half) this client's value, (N,)."""
        n = len(clients)
        return coordinatewise.survival(clients, (n - 1) // 2, n // 2)
