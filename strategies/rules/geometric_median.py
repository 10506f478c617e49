"""Geometric median (RFA)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from strategies.aggregator import State, Vector, require_clients
from strategies.kernels.geometry import combine, gram

_STILL = 1e-6


@dataclass(frozen=True)
class GeometricMedian:
    """Geometric median by smoothed Weiszfeld iterations (Pillutla et al., 2022, RFA, algorithm 2).

    z = argmin sum_i ||d_i - z||,  z <- sum_i a_i d_i,  a_i proportional to 1 / max(nu, ||d_i - z||).
    z stays an affine combination of the updates, so all iterations run on the N x N Gram matrix, to
    tolerance rather than for a fixed few steps; the vectors are read twice in all.
    """

    coordinatewise: ClassVar[bool] = False

    nu: float = 1e-6
    """Floor on the distances."""
    tolerance: float = 1e-9
    """Stop when no coefficient a_i moves by more, and z by less than 1e-6 of the median distance."""
    iterations: int = 1000
    """Most iterations."""

    def __post_init__(self) -> None:
        if not (self.nu > 0 and self.tolerance > 0 and self.iterations >= 1):
            raise FedgroupError(
                f"nu {self.nu}, tolerance {self.tolerance} and iterations {self.iterations} must be positive"
            )

    def min_clients(self) -> int:
        return 1

    def init(self, theta: Vector) -> State:
        return {}

    def coefficients(self, theta: Vector, clients: Sequence[Vector]) -> NDArray[np.float64]:
        """The a_i, (N,), summing to 1."""
        products = gram(clients, theta)
        a = np.full(len(clients), 1 / len(clients))
        with np.errstate(
            invalid="ignore", over="ignore"
        ):  # a client that is not finite shows in the result
            for _ in range(self.iterations):
                along = products @ a
                squared = np.diagonal(products) - 2 * along + a @ along
                distances = np.maximum(self.nu, np.sqrt(np.maximum(squared, 0.0)))
                after = 1 / distances
                after /= after.sum()
                change = after - a
                a = after
                # a coefficient of 1e-12 on a vector of length 1e30 still moves z: ask z to stand still too
                moved = np.sqrt(max(float(change @ products @ change), 0.0))
                if np.abs(change).max() <= self.tolerance and moved <= _STILL * np.median(
                    distances
                ):
                    break
        return a

    def step(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
    ) -> tuple[Vector, State]:
        """New weights (D,); unweighted."""
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
        """The coefficients a_i, (N,)."""
        return self.coefficients(theta, clients)
