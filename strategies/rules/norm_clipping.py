"""Norm clipping."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from strategies.aggregator import State, Vector, require_clients
from strategies.kernels.geometry import clip_scales, combine, norms
from strategies.rules.settings import is_positive


@dataclass(frozen=True)
class NormClipping:
    """Average of clipped updates.

        w' = w + 1/N sum_i d_i min(1, b / ||d_i||)

    d_i = w_i - w; b: `bound`. Sun, Kairouz, Suresh, McMahan, "Can you really backdoor federated
    learning?", 2019 (norm thresholding of updates). Unweighted.

    Departures: without a bound b is the median of the cohort's norms ||d_i||, which needs no tuning
    (theirs is fixed); no noise is added.
    """

    coordinatewise: ClassVar[bool] = False

    bound: float | None = None
    """L2 bound on an update; default: the cohort's median norm of the round."""

    def __post_init__(self) -> None:
        if self.bound is not None and not is_positive(self.bound):
            raise FedgroupError(f"bound must be positive and finite, got {self.bound}")

    def min_clients(self) -> int:
        """One."""
        return 1

    def no_effect(self, cohort: int) -> str:
        """Say that the median norm of one client clips nothing."""
        return "FedAvg (a cohort of 1)" if cohort == 1 and self.bound is None else ""

    def init(self, theta: Vector) -> State:
        """Return no state."""
        return {}

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Clip and average."""
        require_clients(self, len(clients))
        scales = self._scales(theta, clients)
        return combine(theta, clients, scales / len(clients)), state

    def influence(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
        new: Vector,
    ) -> NDArray[np.float64]:
        """Return the share of each client's weight after clipping."""
        scales = self._scales(theta, clients)
        return np.asarray(scales / scales.sum())

    def _scales(self, theta: Vector, clients: Sequence[Vector]) -> NDArray[np.float64]:
        """Return min(1, b / ||d_i||), (N,)."""
        lengths = norms(clients, theta)
        return clip_scales(lengths, float(np.median(lengths)) if self.bound is None else self.bound)
