"""SparseFed: server-side global top-k with momentum and error feedback."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError, unknown
from strategies.aggregator import State, Vector, require_clients
from strategies.kernels import geometry
from strategies.kernels.chunks import Rows, check_vectors, for_chunks
from strategies.kernels.top_k import top_k
from strategies.rules.settings import is_count, is_positive

PRESETS = {
    "official": (True, True),
    "no_mask": (True, False),
    "no_feedback": (False, True),
    "memoryless": (False, False),
}
"""Preset -> (error feedback, momentum masking). `memoryless` also means rho = 0."""


@dataclass(frozen=True)
class SparseFed:
    """The k largest coordinates of the averaged update, with momentum and error feedback.

        d_i = w - w_i, clipped to L2 norm `clip`   g = 1/N sum_i d_i
        u   = g + rho u                            v = e + u
        S   = the k largest |v|, ties: lowest      upd = v on S, 0 elsewhere
        e   = v, 0 where upd != 0                  u = 0 where upd != 0
        w'  = w - server_lr * upd

    u, e: state `momentum` and `error` (D,), 0 at the start. Without error feedback v = u and e
    stays 0; without masking u is kept. Panda, Mahloujifar, Bhagoji, Chakraborty, Mittal,
    "SparseFed: mitigating model poisoning attacks in federated learning with sparsification",
    AISTATS 2022, algorithm 1. Unweighted.

    Departures: equals the `true_topk` server step of the authors' code, which always has error
    feedback and masking; the other presets are ours. The code has no mode that joins a dense top-k
    with several local epochs: here they are inside d_i. Clipping is off by default. A k larger than
    the model is refused, where min(k, D) would silently be FedAvg.
    """

    coordinatewise: ClassVar[bool] = False

    k: int | float = 400_000
    """Coordinates sent per round: a count, or a float in (0, 1] for max(1, floor(k * D))."""
    rho: float = 0.0
    """Server momentum; the paper runs 0 and 0.9."""
    preset: str = "official"
    """official (feedback + masking), no_mask, no_feedback (masking only) or memoryless (neither,
    rho 0)."""
    error_feedback: bool | None = None
    """Overrides the preset."""
    momentum_masking: bool | None = None
    """Overrides the preset."""
    clip: float | None = None
    """L2 bound on each client's update over all D coordinates, norm in float64; none by default."""
    server_lr: float = 1.0
    """Scales only what is applied to w, not what is cleared from e."""

    def __post_init__(self) -> None:
        fraction = isinstance(self.k, float)
        if not (0 < self.k <= 1 if fraction else is_count(self.k, 1)):
            raise FedgroupError(
                f"SparseFed k is {self.k!r}: give a count >= 1 or a fraction in (0, 1]"
            )
        if self.preset not in PRESETS:
            raise unknown("SparseFed preset", self.preset, PRESETS)
        if not 0 <= self.rho < 1:
            raise FedgroupError(f"SparseFed rho is {self.rho}: it must be in [0, 1)")
        if self.preset == "memoryless" and self.rho != 0:
            raise FedgroupError(
                f"SparseFed preset memoryless has no momentum, rho is {self.rho}: set rho 0"
            )
        for name, value in (("clip", self.clip), ("server_lr", self.server_lr)):
            if value is not None and not is_positive(value):
                raise FedgroupError(f"SparseFed {name} is {value}: it must be finite and above 0")

    @property
    def feedback(self) -> bool:
        """Whether what was not sent is carried to the next round (error feedback)."""
        return PRESETS[self.preset][0] if self.error_feedback is None else self.error_feedback

    @property
    def masking(self) -> bool:
        """Whether the momentum of sent coordinates is cleared."""
        return PRESETS[self.preset][1] if self.momentum_masking is None else self.momentum_masking

    def count(self, size: int) -> int:
        """Return how many of `size` coordinates are kept; refuse more than there are."""
        kept = max(1, math.floor(self.k * size + 1e-9)) if isinstance(self.k, float) else self.k
        if kept > size:
            raise FedgroupError(
                f"SparseFed k is {kept} but the model has only D = {size} coordinates: "
                f"set k to a fraction of D instead, such as 0.0358 (the paper's share on ResNet-18)"
            )
        return kept

    def min_clients(self) -> int:
        """One."""
        return 1

    def no_effect(self, cohort: int) -> str:
        """Say where every coordinate is sent as it is, or masking clears no momentum."""
        plain = self.rho == 0 and self.clip is None and self.server_lr == 1
        if isinstance(self.k, float) and self.k == 1 and plain:
            return "FedAvg (k 1.0, rho 0, no clip, server_lr 1)"
        chosen = self.momentum_masking is not None or self.preset in ("no_mask", "no_feedback")
        if self.rho == 0 and chosen:
            return "the same with and without momentum masking (rho 0)"
        return ""

    def init(self, theta: Vector) -> State:
        """Return zero momentum and error; refuse a k that does not fit the model."""
        self.count(len(theta))
        return {
            "momentum": np.zeros(theta.shape, np.float32),
            "error": np.zeros(theta.shape, np.float32),
        }

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Send the top k; refuse a state or result that is no longer finite."""
        require_clients(self, len(clients))
        k = self.count(check_vectors(clients, len(theta)))
        new, momentum, value = self._accumulate(state, theta, clients, self._scales(theta, clients))
        chosen = top_k(value, k)
        update = value[chosen]
        with np.errstate(over="ignore", invalid="ignore"):
            moved = new[chosen] - np.float32(self.server_lr) * update
        if not np.isfinite(moved).all():
            raise self._diverged("new weights are")
        new[chosen] = moved
        sent = chosen if update.all() else chosen[update != 0]
        error = value
        if self.feedback:
            error[sent] = 0
        else:
            error = np.zeros(theta.shape, np.float32)
        if self.masking:
            momentum[sent] = 0
        return new, {"momentum": momentum, "error": error}

    def influence(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
        new: Vector,
    ) -> NDArray[np.float64]:
        """Return the share of the clipped updates' magnitude on S: the sum over S of |d_i|."""
        sent = np.flatnonzero(new != theta)
        mass = np.array(
            [np.abs(client[sent] - theta[sent]).sum(dtype=np.float64) for client in clients]
        )
        scales = self._scales(theta, clients)
        if scales is not None:
            mass *= scales
        return mass / mass.sum() if mass.sum() else np.full(len(clients), 1 / len(clients))

    def _scales(self, theta: Vector, clients: Sequence[Vector]) -> Vector | None:
        """Return the clip factor of each update, (N,) float32; None where nothing is clipped."""
        if self.clip is None:
            return None
        return geometry.clip_scales(geometry.norms(clients, theta), self.clip).astype(np.float32)

    def _accumulate(
        self, state: State, theta: Vector, clients: Sequence[Vector], scales: Vector | None
    ) -> tuple[Vector, Vector, Vector]:
        """Return a copy of theta, u and v, (D,) each; v is u itself without feedback."""
        new, momentum = np.empty_like(theta), np.empty_like(theta)
        value = np.empty_like(theta) if self.feedback else momentum
        old_momentum, old_error = state["momentum"], state["error"]

        def work(low: int, high: int, scratch: Rows) -> None:
            old, u, v, delta = theta[low:high], momentum[low:high], value[low:high], scratch[0]
            for index, client in enumerate(clients):
                target = delta if index else u
                np.subtract(old, client[low:high], out=target)
                if scales is not None:
                    np.multiply(target, scales[index], out=target)
                if index:
                    np.add(u, delta, out=u)
            np.divide(u, np.float32(len(clients)), out=u)
            if self.rho:
                np.multiply(old_momentum[low:high], np.float32(self.rho), out=delta)
                np.add(u, delta, out=u)
            if self.feedback:
                np.add(old_error[low:high], u, out=v)
            if not (np.isfinite(v.min()) and np.isfinite(v.max())):
                raise self._diverged("momentum or error is")
            new[low:high] = old

        for_chunks(len(theta), work, 1)
        return new, momentum, value

    def _diverged(self, what: str) -> FedgroupError:
        return FedgroupError(
            f"SparseFed diverged: its {what} not finite (rho {self.rho}, server_lr "
            f"{self.server_lr}, clip {self.clip}): lower rho or the clients' learning rate, or set "
            f"clip"
        )
