"""FLTrust."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from strategies.aggregator import State, Vector, require_clients
from strategies.kernels.geometry import combine, gram


@dataclass(frozen=True)
class FLTrust:
    """Trust by direction, from a small clean root set at the server (Cao et al., NDSS 2021, algorithm 2).

    T_i = relu(cos(d_i, d_0));  w' = w + sum_i T_i (||d_0|| / ||d_i||) d_i / sum_i T_i, with d_0 the update
    that the server trains on its root set. Nobody trusted: the model is kept. The server puts its own
    trained vector into the state as `root` before every step.
    """

    coordinatewise: ClassVar[bool] = False

    root_set: Literal["natural", "balanced"] = "natural"
    """Root samples drawn as the training set is, or equally from every group."""
    root_size: int = 100
    """Samples of the root set."""

    def __post_init__(self) -> None:
        if self.root_size < 1:
            raise FedgroupError(f"root_size must be at least 1, got {self.root_size}")

    def min_clients(self) -> int:
        return 1

    def init(self, theta: Vector) -> State:
        """The root vector, not trained yet."""
        return {"root": theta.copy()}

    def step(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
    ) -> tuple[Vector, State]:
        """New weights (D,)."""
        require_clients(self, len(clients))
        return combine(theta, clients, self._parts(state, theta, clients)[1]), state

    def influence(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
        new: Vector,
    ) -> NDArray[np.float64]:
        """Share of trust, (N,); all 0 where nobody is trusted."""
        trust = self._parts(state, theta, clients)[0]
        return trust / trust.sum() if trust.sum() else trust

    def _parts(
        self, state: State, theta: Vector, clients: Sequence[Vector]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Trust scores and the coefficients of the updates, (N,) each."""
        products = gram([*clients, state["root"]], theta)
        lengths = np.sqrt(np.diagonal(products))
        own, root = lengths[:-1], lengths[-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            trust = np.where(own * root > 0, np.maximum(products[-1, :-1] / (own * root), 0.0), 0.0)
            scale = np.where(own > 0, root / own, 0.0)
        total = trust.sum()
        return trust, trust * scale / total if total else np.zeros_like(trust)
