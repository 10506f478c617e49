"""Federated averaging."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from strategies.aggregator import State, Vector, require_clients
from strategies.kernels import coordinatewise


@dataclass(frozen=True)
class FedAvg:
    """Average of the client weights: w' = sum_i p_i w_i (McMahan et al., AISTATS 2017, algorithm 1).

    p_i = 1/N, or n_i / sum n with `weighted`. A float32 running sum in client order (then divided by
    N, or of float32(p_i) * w_i), so the bits depend on the order: the host sorts by client id.
    """

    coordinatewise: ClassVar[bool] = True

    weighted: bool = False
    """Weight clients by their number of samples; the paper's base code and our default do not."""

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
        """New weights (D,) float32; `theta` is not used. Raises FedgroupError on unusable weights."""
        require_clients(self, len(clients))
        if self.weighted:
            return coordinatewise.mean(clients, shares(weights, len(clients))), state
        return coordinatewise.mean(clients), state

    def influence(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
        new: Vector,
    ) -> NDArray[np.float64]:
        """The averaging weights p_i, (N,)."""
        n = len(clients)
        return shares(weights, n) if self.weighted else np.full(n, 1 / n)


def shares(weights: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Weights (N,) divided by their sum; refuses anything that is no set of sample counts."""
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (count,):
        raise FedgroupError(f"FedAvg got weights of shape {weights.shape} for {count} clients")
    if not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
        raise FedgroupError(
            f"FedAvg cannot average by the weights {weights.tolist()}: they must be finite, not negative "
            f"and not all zero (use the partition's sample counts, or weighted: false)"
        )
    # divide by the largest first: the sum of huge but finite weights may overflow
    scaled = weights / weights.max()
    return np.asarray(scaled / scaled.sum())
