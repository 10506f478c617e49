"""Centred clipping."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from strategies.aggregator import State, Vector, require_clients
from strategies.kernels.geometry import clip_scales, combine, norms
from strategies.rules.settings import is_count, is_positive


@dataclass(frozen=True)
class CentredClipping:
    """Clipping around a centre that is carried from round to round.

        v <- v + 1/N sum_i (d_i - v) min(1, tau / ||d_i - v||),  `iterations` times;   w' = w + v

    d_i = w_i - w; v: state `centre` (D,), 0 at the start. Karimireddy, He, Jaggi, "Learning from
    history for Byzantine robust optimization", ICML 2021. Unweighted.

    Departures: it clips updates, not the workers' momenta. Without a tau it is the cohort's median
    distance from the centre in every iteration, which needs no tuning.
    """

    coordinatewise: ClassVar[bool] = False

    tau: float | None = None
    """Clipping radius; default: the cohort's median distance from the centre in each iteration."""
    iterations: int = 1
    """Iterations per round."""
    carry: bool = True
    """Start from the last round's v, as the source does; else from 0."""

    def __post_init__(self) -> None:
        if not is_count(self.iterations, 1) or (self.tau is not None and not is_positive(self.tau)):
            raise FedgroupError(f"tau {self.tau} and iterations {self.iterations} must be positive")

    def min_clients(self) -> int:
        """One."""
        return 1

    def no_effect(self, cohort: int) -> str:
        """Say that the median distance of one client clips nothing."""
        return "FedAvg (a cohort of 1)" if cohort == 1 and self.tau is None else ""

    def init(self, theta: Vector) -> State:
        """Return the centre, 0."""
        return {"centre": np.zeros(theta.shape, np.float32)}

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Move the centre, and the model with it."""
        require_clients(self, len(clients))
        at = theta + state["centre"] if self.carry else theta
        for _ in range(self.iterations):
            at = combine(at, clients, self._scales(at, clients) / len(clients))
        return at, {"centre": at - theta}

    def influence(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
        new: Vector,
    ) -> NDArray[np.float64]:
        """Return the share of each client's weight after clipping in the first iteration."""
        at = theta + state["centre"] if self.carry else theta
        scales = self._scales(at, clients)
        return np.asarray(scales / scales.sum())

    def _scales(self, at: Vector, clients: Sequence[Vector]) -> NDArray[np.float64]:
        """Return min(1, tau / ||d_i - v||), (N,), where at = w + v."""
        lengths = norms(clients, at)
        return clip_scales(lengths, float(np.median(lengths)) if self.tau is None else self.tau)
