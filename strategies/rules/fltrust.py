"""FLTrust."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from strategies.aggregator import State, Vector, require_clients
from strategies.kernels.geometry import combine, gram
from strategies.rules.settings import is_count


@dataclass(frozen=True)
class FLTrust:
    """Trust by direction, from a small clean root set at the server.

        T_i = relu(cos(d_i, d_0));   w' = w + sum_i T_i (||d_0|| / ||d_i||) d_i / sum_i T_i

    d_i = w_i - w; d_0 = root - w, where the state's `root` is what the server has trained from w on
    its root set this round (`needs`). Nobody trusted: the model is kept. Cao, Fang, Liu, Gong,
    "FLTrust: Byzantine-robust federated learning via trust bootstrapping", NDSS 2021, algorithm 2.

    Departures: the root set is drawn from the clean training samples, and d_0 is trained with the
    clients' settings; the global learning rate is 1.
    """

    coordinatewise: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ("root",)

    root_set: Literal["natural", "balanced"] = "natural"
    """Root samples drawn as the training set is, or equally from every group."""
    root_size: int = 100
    """Samples of the root set."""

    def __post_init__(self) -> None:
        if not is_count(self.root_size, 1):
            raise FedgroupError(f"root_size must be at least 1, got {self.root_size}")

    def min_clients(self) -> int:
        """One."""
        return 1

    def init(self, theta: Vector) -> State:
        """Return a root vector that is not trained yet."""
        return {"root": theta.copy()}

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Average the rescaled updates by trust."""
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
        """Return the shares of trust; all 0 where nobody is trusted."""
        trust = self._parts(state, theta, clients)[0]
        return trust / trust.sum() if trust.sum() else trust

    def _parts(
        self, state: State, theta: Vector, clients: Sequence[Vector]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the trust scores T_i and the coefficients of the updates, (N,) each."""
        products = gram([*clients, state["root"]], theta)
        lengths = np.sqrt(np.diagonal(products))
        own, root = lengths[:-1], lengths[-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            trust = np.where(own * root > 0, np.maximum(products[-1, :-1] / (own * root), 0.0), 0.0)
            scale = np.where(own > 0, root / own, 0.0)
        total = trust.sum()
        return trust, trust * scale / total if total else np.zeros_like(trust)
