"""GroupDRO's online objective: group weights that follow the group losses.

With L_g the mean loss of group g in the batch (0 where g is absent), n_g its training samples and C
the size adjustment, A_g = L_g + C/sqrt(n_g) (Sagawa et al., ICLR 2020, section 3.3). The weights
are q = softmax(z) with z <- z + eta*A, z_0 = 0, and the objective is sum_g q_g*A_g with the new q
(algorithm 1 there, whose q_g <- q_g * exp(eta*A_g), normalised, is the same). z is kept in log
space and float64, so that it cannot overflow, and it is part of the state: a resumed run keeps its
weights. As in GEORGE's code, C/sqrt(n_g) moves z for absent groups too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from fedgroup.dataset import Batch, GroupedDataset, Ints
from fedgroup.errors import FedgroupError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DROLoss:
    """Settings of GroupDRO's objective; `over` starts it on a data set.

    Minimises sum_g q_g * (L_g + C/sqrt(n_g)) (Sagawa et al., ICLR 2020, algorithm 1).
    """

    eta: float = 0.01
    """Step size of the group weights."""
    adjustment: float | tuple[float, ...] = 0.0
    """C of the size adjustment C/sqrt(n_g). One number holds for every group (GEORGE). One number
    per group is applied only if all are positive: a single 0 switches all of them off (official
    GroupDRO)."""
    normalise: bool = False
    """Divide A by its sum before it moves z; the objective keeps A as it is."""
    weighting: Literal["exponential", "greedy"] = "exponential"
    """exponential: q as above. greedy: all weight on the groups of highest smoothed loss that
    together hold `share` of the training samples (CVaR over groups); eta is not used."""
    share: float = 0.2
    """greedy: share of the training samples under full weight, in (0, 1]."""
    smoothing: float = 0.1
    """Weight of the newest batch in the moving average of a group's loss, in (0, 1]."""
    floor: float = 0.0
    """greedy: part of the weight spread in proportion to group size, in [0, 1]."""

    def __post_init__(self) -> None:
        if not 0 <= self.eta < float("inf"):
            raise FedgroupError(f"eta must be at least 0 and finite, got {self.eta}")
        for value in self.adjustment if isinstance(self.adjustment, tuple) else (self.adjustment,):
            if not 0 <= value < float("inf"):
                raise FedgroupError(
                    f"adjustment must be at least 0 and finite, got {self.adjustment}"
                )
        if not (0 < self.share <= 1 and 0 < self.smoothing <= 1):
            raise FedgroupError(
                f"share {self.share} and smoothing {self.smoothing} must lie in (0, 1]"
            )
        if not 0 <= self.floor <= 1:
            raise FedgroupError(f"floor must lie in [0, 1], got {self.floor}")

    def over(
        self, data: GroupedDataset, ids: Ints | None = None, device: torch.device | str = "cpu"
    ) -> "DROObjective":
        """Start the objective on a data set.

        Args:
            data: N training samples.
            ids: Group or cluster of each sample, (N,), 0..G-1 without gaps; batches are then looked
                up by sample identity, so they must be batches of `data`. None: its own groups.
            device: Where batches live.

        Returns:
            The objective, with equal weights.

        Raises:
            FedgroupError: where the ids do not fit the data or a group has no samples.
        """
        if ids is None:
            counts = np.bincount(data.group, minlength=len(data.info.groups))
            return DROObjective(self, counts, device=device)
        if len(ids) != len(data):
            raise FedgroupError(
                f"{len(ids)} group ids for {len(data)} samples: give one per sample"
            )
        if len(ids) == 0 or ids.min() < 0:
            raise FedgroupError(
                "group ids must be 0, 1, 2, ..., one per sample of a non-empty data set"
            )
        table = np.full(int(data.index.max()) + 1, -1, np.int64)
        table[data.index] = ids
        if not np.array_equal(table[data.index], ids):
            raise FedgroupError(
                "a sample that occurs several times has several group ids: give it one"
            )
        return DROObjective(self, np.bincount(ids), table, device)


class DROObjective:
    """GroupDRO's objective in one run; calling it gives the scalar to minimise and moves q.

    Where gradients are disabled nothing moves and no adjustment is added. No step waits for the
    device.
    """

    def __init__(
        self,
        settings: DROLoss,
        counts: Ints,
        table: Ints | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        """Start with equal weights.

        Args:
            settings: Settings of the objective.
            counts: Training samples of each group, (G,), at least 1.
            table: Group of the sample with identity i, (I,); None: read batch.group instead.
            device: Where batches live.

        Raises:
            FedgroupError: where a group has no training samples, or the adjustments do not fit.
        """
        empty = np.flatnonzero(np.asarray(counts) < 1)
        if len(empty):
            raise FedgroupError(
                f"group {empty[0]} of {len(counts)} has no training samples: number the groups "
                f"that have some 0, 1, 2, ... first (fedgroup.methods.clustering.clusters.compact)"
            )
        self.settings = settings
        size = torch.as_tensor(np.asarray(counts), dtype=torch.float64)
        self._share = (size / size.sum()).to(device)
        self._penalty = _penalty(settings, size).to(device)
        self._names = torch.arange(len(counts), device=device)
        self._table = None if table is None else torch.from_numpy(table).to(device)
        self._state = {
            name: torch.zeros(len(counts), dtype=torch.float64, device=device)
            for name in ("z", "smoothed", "seen", "loss", "hits")
        }

    def __call__(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return the objective of B samples, a scalar with gradient, and move the group weights.

        It is float32, or wider where the logits (B, C) are.
        """
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        losses = F.cross_entropy(logits, batch.y, reduction="none")
        ids = batch.group if self._table is None else self._table[batch.index]
        member = (ids[:, None] == self._names).to(torch.float64)  # (B, G)
        count = member.sum(0)
        size = count.clamp(min=1)
        learning = torch.is_grad_enabled()
        if learning:
            with torch.no_grad():
                hit = (logits.argmax(1) == batch.y).to(torch.float64)
                self._learn(member.T, count, losses.detach(), hit)
        weights = self.weights()
        # of each sample, q_g / (members of g in the batch)
        shares = (member * (weights / size)).sum(1).to(losses.dtype)
        objective = (shares * losses).sum()
        if learning and self.settings.weighting == "exponential":
            objective = objective + (weights * self._penalty).sum().to(losses.dtype)
        return objective

    def _learn(
        self, member: torch.Tensor, count: torch.Tensor, losses: torch.Tensor, hit: torch.Tensor
    ) -> None:
        """Move z, the smoothed losses and the running sums by one batch; member (G, B)."""
        state = self._state
        total = (member * losses).sum(1)  # a plain sum: the same bits on every run, unlike scatter
        mean = total / count.clamp(min=1)
        blend = torch.where(state["seen"] > 0, self.settings.smoothing, 1.0) * (count > 0)
        state["smoothed"] = state["smoothed"] + blend * (mean - state["smoothed"])
        state["seen"] = state["seen"] + count
        state["loss"] = state["loss"] + total
        state["hits"] = state["hits"] + (member * hit).sum(1)
        move = mean + self._penalty
        if self.settings.normalise:
            move = move / move.sum().clamp(min=torch.finfo(torch.float64).tiny)
        state["z"] = state["z"] + self.settings.eta * move

    def weights(self) -> torch.Tensor:
        """Return the current weight q of each group, (G,) float64, summing to 1."""
        if self.settings.weighting == "exponential":
            return torch.softmax(self._state["z"], 0)
        order = torch.argsort(self._state["smoothed"] + self._penalty, descending=True, stable=True)
        share, alpha = self._share[order], self.settings.share
        above = share.cumsum(0) - share  # share of the groups of higher loss
        room = (alpha - above).clamp(min=0)
        weights = torch.empty_like(share)
        weights[order] = torch.minimum(share, room) / alpha
        return self.settings.floor * self._share + (1 - self.settings.floor) * weights

    def state(self) -> dict[str, Floats]:
        """Return everything that resuming needs, arrays (G,) float64.

        z; smoothed group losses; and sums since the start, which subtract: samples `seen`, their
        `loss` without adjustment, and `hits`, correct predictions made before the step.
        """
        state = {name: value.cpu().numpy().copy() for name, value in self._state.items()}
        if not all(np.isfinite(value).all() for value in state.values()):
            raise FedgroupError(
                "the group losses are no longer finite: lower the learning rate or eta"
            )
        return state

    def load(self, state: Mapping[str, Floats]) -> None:
        """Go on from a `state()` of the same groups; refuse another."""
        for name, old in self._state.items():
            value = state.get(name)
            if value is None or value.shape != tuple(old.shape) or not np.isfinite(value).all():
                raise FedgroupError(
                    f"the saved group weights do not fit: '{name}' must be {len(old)} finite "
                    f"numbers; resume with the same groups, or start anew"
                )
        for name, old in self._state.items():
            self._state[name] = torch.from_numpy(np.array(state[name], np.float64)).to(old.device)


def _penalty(settings: DROLoss, size: torch.Tensor) -> torch.Tensor:
    """Return C_g/sqrt(n_g), (G,) float64; zeros where official GroupDRO leaves it out."""
    adjustment = settings.adjustment
    if not isinstance(adjustment, tuple):
        return adjustment / size.sqrt()
    if len(adjustment) != len(size):
        raise FedgroupError(
            f"{len(adjustment)} adjustments for {len(size)} groups: give one per group, or one"
        )
    if settings.weighting == "exponential" and not all(value > 0 for value in adjustment):
        return torch.zeros_like(size)
    return torch.tensor(adjustment, dtype=torch.float64) / size.sqrt()
