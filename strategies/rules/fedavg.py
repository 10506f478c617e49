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
    """Average of the clients' weights.

        w' = sum_i p_i w_i,   p_i = 1/N, or n_i / sum_j n_j with `weighted`

    n_i: samples of client i (`weights`). McMahan, Moore, Ramage, Hampson, Agüera y Arcas,
    "Communication-efficient learning of deep networks from decentralized data", AISTATS 2017,
    algorithm 1.

    Departures: unweighted by default, as in the base code of the paper's federation. The sum is a
    float32 running sum in client order (divided by N, or of float32(p_i) * w_i), so its bits depend
    on the order; the server sorts by client id.
    """

    coordinatewise: ClassVar[bool] = True

    weighted: bool = False
    """Weight clients by their number of samples."""

    def min_clients(self) -> int:
        """One."""
        return 1

    def init(self, theta: Vector) -> State:
        """Return no state."""
        return {}

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Average; `theta` is not used."""
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
        """Return the p_i."""
        n = len(clients)
        return shares(weights, n) if self.weighted else np.full(n, 1 / n)


def shares(weights: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return sample counts (N,) divided by their sum; refuse what is no set of N sample counts."""
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (count,):
        raise FedgroupError(f"FedAvg got weights of shape {weights.shape} for {count} clients")
    if not np.isfinite(weights).all() or (weights < 0).any() or weights.sum() <= 0:
        raise FedgroupError(
            f"FedAvg cannot average by the weights {weights.tolist()}: they must be finite, not "
            f"negative and not all zero (use the partition's sample counts, or weighted: false)"
        )
    # divide by the largest first: the sum of huge but finite weights may overflow
    scaled = weights / weights.max()
    return np.asarray(scaled / scaled.sum())
