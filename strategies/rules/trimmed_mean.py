"""Coordinate-wise trimmed mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from strategies.aggregator import State, Vector, require_clients
from strategies.kernels import coordinatewise


@dataclass(frozen=True)
class TrimmedMean:
    """Coordinate-wise trimmed mean (Yin et al., ICML 2018, definition 2; k = `trim`, N clients).

    w'_j = 1/(N - 2k) * sum of the ascending ranks k..N-k-1 of w_ij, added in that order in float32.
    Never the sum of all minus the extremes, which one huge value cancels. Unweighted.
    """

    coordinatewise: ClassVar[bool] = True

    trim: int = 2
    """Values dropped at each end, a count: it is never lowered, a cohort below 2k+1 fails the round."""

    def __post_init__(self) -> None:
        if self.trim < 0:
            raise FedgroupError(f"trim is {self.trim}: it must be 0 or more values per side")

    def min_clients(self) -> int:
        return 2 * self.trim + 1

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
        return coordinatewise.trimmed_mean(clients, self.trim), state

    def influence(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
        new: Vector,
    ) -> NDArray[np.float64]:
        """Share of the surviving values that are this client's, (N,)."""
        return coordinatewise.survival(clients, self.trim, len(clients) - self.trim - 1)
