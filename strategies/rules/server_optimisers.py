"""Server optimisers on top of the mean update. BatchNorm statistics are never under them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from strategies.aggregator import State, Vector, require_clients
from strategies.kernels import coordinatewise
from strategies.rules.settings import is_positive


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not is_positive(value):
            raise FedgroupError(f"{name} must be positive and finite, got {value}")


@dataclass(frozen=True)
class FedAvgM:
    """Server momentum.

        v <- beta v + 1/N sum_i d_i;   w' = w + lr v

    d_i = w_i - w; v: state `momentum` (D,), 0 at the start. Hsu, Qi, Brown, "Measuring the effects
    of non-identical data distribution for federated visual classification", 2019, section 4.3.

    Departures: clients count equally, whatever they hold.
    """

    coordinatewise: ClassVar[bool] = False

    beta: float = 0.9
    """Momentum."""
    lr: float = 1.0
    """Server learning rate."""

    def __post_init__(self) -> None:
        _positive(lr=self.lr)
        if not 0 <= self.beta < 1:
            raise FedgroupError(f"beta must lie in [0, 1), got {self.beta}")

    def min_clients(self) -> int:
        """One."""
        return 1

    def no_effect(self, cohort: int) -> str:
        """Say that without momentum and with rate 1 nothing is added."""
        return "FedAvg (beta 0, lr 1)" if self.beta == 0 and self.lr == 1 else ""

    def init(self, theta: Vector) -> State:
        """Return zero momentum."""
        return {"momentum": np.zeros(theta.shape, np.float32)}

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Step along the momentum."""
        require_clients(self, len(clients))
        momentum: Vector = np.float32(self.beta) * state["momentum"] + (
            coordinatewise.mean(clients) - theta
        )
        new: Vector = theta + np.float32(self.lr) * momentum
        return new, {"momentum": momentum}

    def influence(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
        new: Vector,
    ) -> NDArray[np.float64]:
        """Return equal shares."""
        return np.full(len(clients), 1 / len(clients))


@dataclass(frozen=True)
class FedAdam:
    """Adaptive server optimiser.

        m <- b1 m + (1 - b1) g;   v <- b2 v + (1 - b2) g^2;   w' = w + lr m / (sqrt(v) + tau)

    g = 1/N sum_i d_i, d_i = w_i - w; b1, b2: `beta1`, `beta2`; m, v: state `first`, `second` (D,).
    Reddi, Charles, Zaheer, Garrett, Rush, Konečný, Kumar, McMahan, "Adaptive federated
    optimization", ICLR 2021, algorithm 2.

    Departures: clients count equally, whatever they hold; v starts at 0 (theirs at tau^2 or above);
    no bias correction, as in the algorithm.
    """

    coordinatewise: ClassVar[bool] = False

    lr: float = 0.01
    """Server learning rate."""
    beta1: float = 0.9
    """Decay of the first moment."""
    beta2: float = 0.99
    """Decay of the second moment."""
    tau: float = 1e-3
    """Degree of adaptivity, added to the root."""

    def __post_init__(self) -> None:
        _positive(lr=self.lr, tau=self.tau)
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise FedgroupError(f"beta1 {self.beta1} and beta2 {self.beta2} must lie in [0, 1)")

    def min_clients(self) -> int:
        """One."""
        return 1

    def init(self, theta: Vector) -> State:
        """Return zero moments."""
        return {
            "first": np.zeros(theta.shape, np.float32),
            "second": np.zeros(theta.shape, np.float32),
        }

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Step along the first moment, scaled by the root of the second."""
        require_clients(self, len(clients))
        one, two = np.float32(self.beta1), np.float32(self.beta2)
        update = coordinatewise.mean(clients) - theta
        first = one * state["first"] + (1 - one) * update
        second = two * state["second"] + (1 - two) * update * update
        new = theta + np.float32(self.lr) * first / (np.sqrt(second) + np.float32(self.tau))
        return np.asarray(new, np.float32), {"first": first, "second": second}

    def influence(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
        new: Vector,
    ) -> NDArray[np.float64]:
        """Return equal shares."""
        return np.full(len(clients), 1 / len(clients))
