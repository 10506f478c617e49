"""Coordinate-wise trimmed mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from strategies.aggregator import State, Vector, require_clients
from strategies.kernels import coordinatewise
from strategies.rules.settings import is_count


@dataclass(frozen=True)
class TrimmedMean:
    """Coordinate-wise trimmed mean.

        w'_j = 1/(N - 2k) * sum of the ascending ranks k..N-k-1 of w_ij over i

    j: a coordinate; k: `trim`. Yin, Chen, Ramchandran, Bartlett, "Byzantine-robust distributed
    learning: towards optimal statistical rates", ICML 2018, definition 2. Unweighted.

    Departures: k is a count, not a fraction of N, which would be rounded away in small cohorts. The
    survivors are added in ascending order in float32; never the sum of all minus the extremes,
    which one huge value cancels. It acts on the weights, which in real arithmetic gives the same as
    acting on the updates.
    """

    coordinatewise: ClassVar[bool] = True

    trim: int = 2
    """Values dropped at each end: it is never lowered, a cohort below 2k+1 fails the round."""

    def __post_init__(self) -> None:
        if not is_count(self.trim):
            raise FedgroupError(f"trim is {self.trim}: it must be 0 or more values per side")

    def min_clients(self) -> int:
        """Return 2k + 1."""
        return 2 * self.trim + 1

    def no_effect(self, cohort: int) -> str:
        """Say that nothing is trimmed with trim 0."""
        return "FedAvg (trim 0)" if self.trim == 0 else ""

    def init(self, theta: Vector) -> State:
        """Return no state."""
        return {}

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Take the trimmed means: the same bits for any client order."""
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
        """Return the share of the surviving values that are this client's."""
        return coordinatewise.survival(clients, self.trim, len(clients) - self.trim - 1)
