"""Geometric median (RFA)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from strategies.aggregator import State, Vector, require_clients
from strategies.kernels.geometry import combine, gram
from strategies.rules.settings import is_count, is_positive

_STILL = 1e-6
"""z stands still when it moves by less than this share of the median distance."""


@dataclass(frozen=True)
class GeometricMedian:
    """Geometric median by smoothed Weiszfeld iterations.

        z = argmin_z sum_i ||d_i - z||;   z <- sum_i a_i d_i,   a_i ~ 1 / max(nu, ||d_i - z||);
        w' = w + z

    d_i = w_i - w; the a_i sum to 1. Pillutla, Kakade, Harchaoui, "Robust aggregation for federated
    learning" (RFA), IEEE Transactions on Signal Processing 2022, algorithm 2. Unweighted.

    Departures: z stays an affine combination of the updates, so all iterations run on the N x N
    Gram matrix, and they run to a tolerance rather than for a fixed few steps; the vectors are read
    twice in all.
    """

    coordinatewise: ClassVar[bool] = False

    nu: float = 1e-6
    """Floor on the distances."""
    tolerance: float = 1e-9
    """Stop when no a_i moves by more, and z by less than 1e-6 of the median distance."""
    iterations: int = 1000
    """Most iterations."""

    def __post_init__(self) -> None:
        usable = is_positive(self.nu) and is_positive(self.tolerance)
        if not (usable and is_count(self.iterations, 1)):
            raise FedgroupError(
                f"nu {self.nu}, tolerance {self.tolerance} and iterations {self.iterations} "
                f"must be positive"
            )

    def min_clients(self) -> int:
        """One."""
        return 1

    def no_effect(self, cohort: int) -> str:
        """Say that the point nearest to one or two clients is their mean."""
        return f"FedAvg (a cohort of {cohort})" if cohort <= 2 else ""

    def init(self, theta: Vector) -> State:
        """Return no state."""
        return {}

    def coefficients(self, theta: Vector, clients: Sequence[Vector]) -> NDArray[np.float64]:
        """Return the a_i, (N,), summing to 1."""
        products = gram(clients, theta)
        a = np.full(len(clients), 1 / len(clients))
        # a client that is not finite shows in the result
        with np.errstate(invalid="ignore", over="ignore"):
            for _ in range(self.iterations):
                along = products @ a
                squared = np.diagonal(products) - 2 * along + a @ along
                distances = np.maximum(self.nu, np.sqrt(np.maximum(squared, 0.0)))
                after = 1 / distances
                after /= after.sum()
                change = after - a
                a = after
                # a coefficient of 1e-12 on a vector of length 1e30 still moves z
                moved = np.sqrt(max(float(change @ products @ change), 0.0))
                still = moved <= _STILL * np.median(distances)
                if np.abs(change).max() <= self.tolerance and still:
                    break
        return a

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Move to the geometric median."""
        require_clients(self, len(clients))
        return combine(theta, clients, self.coefficients(theta, clients)), state

    def influence(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
        new: Vector,
    ) -> NDArray[np.float64]:
        """Return the coefficients a_i."""
        return self.coefficients(theta, clients)
