"""EPIC: drop the samples that stand alone in gradient space, again and again.

Epochs are counted as in the authors' code, from 0: the selection of epoch e sees the model after e
full epochs, and epoch e is the first without what it drops. Nothing is selected after the last
epoch.

Departures from the authors' code: gradients come from the model's own outputs in every run (theirs
leave the last bias out where there is no backdoor; here `no_bias`); ties between medoids are exact;
the learning rate is constant, so that no milestone ends the selections; surplus medoids are removed
by rng(seed, "epic", e). The paper reproduced here states no subset size, frequency, start or stop:
the defaults are ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fedgroup.dataset import Bools, GroupedDataset, Ints, Splits
from fedgroup.errors import FedgroupError, unknown
from fedgroup.group_metrics import tier_rates
from fedgroup.intervene import Case, check_case, intervene
from fedgroup.methods.central_trainer import Trainer
from fedgroup.methods.medoids.class_clusters import cluster_sizes
from fedgroup.methods.medoids.facility_location import MEMORY
from fedgroup.methods.medoids.fixed_point import SIMILARITIES, SimilarityName
from fedgroup.methods.method import Method
from fedgroup.predict import Rows, last_layer_gradients
from fedgroup.seeding import rng


@dataclass(frozen=True)
class EPIC(Method):
    """EPIC (Yang et al., Not All Poisons are Created Equal, ICML 2022, algorithm 1).

    Before an epoch, per class, medoids S maximise sum_i max_{j in S} (c - ||g_i - g_j||) greedily,
    with g = softmax - one-hot the last-layer gradients of all training samples and c a constant.
    Every sample joins its nearest medoid; samples in clusters of one leave training for good.

    In the paper (appendix A.1) task.train is SGD with momentum 0.9, batch 128, weight decay 1e-4.
    Waterbirds: lr 1e-2 and up to 40 epochs; CelebA: lr 1e-3 and up to 10.
    """

    subset: float = 0.1
    """Medoids as a share of the training samples, in (0, 1); the authors use 0.1 to 0.3."""
    every: int = 1
    """Select at epochs that are multiples of this; the authors use 1, 2, 5 or 10."""
    start: int = 1
    """First epoch that may select; 10 or 30 where training starts from scratch."""
    stop: int | None = None
    """First epoch that may not select any more; null: no stop."""
    epochs_list: tuple[int, ...] = ()
    """The epochs that select, instead of every and start."""
    threshold: int = 1
    """A cluster of at most so many samples is dropped."""
    similarity: SimilarityName = "max_minus_distance"
    """How a distance between gradients becomes a similarity."""
    no_bias: bool = False
    """Leave the last layer's bias out of the outputs (official outside backdoor runs)."""
    memory: int = MEMORY
    """Bytes that a selection may hold at once; does not change its outcome."""
    case: Case = "standard"
    """ideal never drops the minority, worst drops all of it at the first selection (paper, section
    4.2)."""
    minority: tuple[str, ...] = ("LRG-1", "LRG-2")
    """Tiers that ideal protects and worst drops; poisons belong to none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_case(self.case)
        if not 0 < self.subset < 1:
            raise FedgroupError(f"subset must lie strictly between 0 and 1, got {self.subset}")
        for name, least in (("every", 1), ("start", 0), ("threshold", 0), ("memory", 1)):
            if getattr(self, name) < least:
                raise FedgroupError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.stop is not None and self.stop < 1:
            raise FedgroupError(f"stop must be at least 1, or null for no stop, got {self.stop}")
        if self.similarity not in SIMILARITIES:
            raise unknown("similarity", self.similarity, SIMILARITIES)
        listed = list(self.epochs_list)
        if listed and (self.every, self.start) != (1, 1):
            raise FedgroupError(
                f"epochs_list {listed} stands in place of every {self.every} and start "
                f"{self.start}: give one or the other"
            )
        if listed != sorted(set(listed)) or min(listed, default=0) < 0:
            raise FedgroupError(
                f"epochs_list must name epochs from 0 in ascending order, got {listed}"
            )
        if not self.minority:
            raise FedgroupError("minority must name at least one tier, such as LRG-1")

    def selects(self, epoch: int) -> bool:
        """Return whether a selection precedes 0-based epoch `epoch`."""
        if self.stop is not None and epoch >= self.stop:
            return False
        if self.epochs_list:
            return epoch in self.epochs_list
        return epoch >= self.start and epoch % self.every == 0

    def isolated(
        self,
        model: nn.Module,
        data: GroupedDataset,
        seed: int,
        epoch: int,
        device: torch.device | str,
    ) -> Bools:
        """Return D_e: the samples that one selection would drop, those dropped before included.

        Args:
            model: The model as it is before the epoch, on `device`; left in evaluation mode.
            data: All N training samples.
            seed: Seed of the run.
            epoch: 0-based number of the epoch that the selection precedes.
            device: Where the model is.

        Returns:
            Mask, (N,).
        """
        gradients = last_layer_gradients(model, data, device, no_bias=self.no_bias)
        sizes = self.cluster_sizes(gradients, data.y, seed, epoch, device)
        return np.asarray(sizes <= self.threshold)

    def cluster_sizes(
        self, gradients: Rows, y: Ints, seed: int, epoch: int, device: torch.device | str = "cpu"
    ) -> Ints:
        """Return the number of samples in the cluster of every sample, in one selection.

        Args:
            gradients: Last-layer gradients, (N, C) float32.
            y: Classes, (N,).
            seed: Seed of the run.
            epoch: 0-based number of the epoch that the selection precedes.
            device: Where distances are computed.

        Returns:
            Sizes, (N,) int64.
        """
        return cluster_sizes(
            gradients,
            y,
            self.subset,
            rng(seed, "epic", epoch),
            similarity=self.similarity,
            memory=self.memory,
            device=device,
        )

    def run(self, splits: Splits, trainer: Trainer) -> None:
        """Train on the survivors, selecting between epochs."""
        train, seed = splits.train, trainer.task.seed
        self._check_schedule(trainer.task.train.epochs)
        minority = np.zeros(len(train), np.bool_)
        if self.case != "standard":
            minority = tier_members(train, self.minority)
        survivors = Survivors(len(train))

        def select(epoch: int) -> None:
            found = self.isolated(trainer.model, train, seed, epoch, trainer.device)
            survivors.drop(intervene(found, minority, self.case))
            gone = ~survivors.mask
            facts: dict[str, Any] = {"alive": survivors.count, "elmf": tier_rates(gone, train)}
            if self.case != "standard":
                facts["minority"] = [name for name in self.minority if name in train.info.tiers]
            trainer.record("eliminate", epoch, found, gone, facts=facts)

        if self.selects(0):
            select(0)
        for step in trainer.epochs(train, draw=survivors.draw, state=survivors):
            if self.selects(step.number) and step.number < trainer.task.train.epochs:
                select(step.number)
            step.row["alive"] = survivors.count

    def _check_schedule(self, length: int) -> None:
        """Refuse a schedule that does not fit training of `length` epochs."""
        beyond = [epoch for epoch in self.epochs_list if epoch >= length]
        if beyond:
            raise FedgroupError(
                f"epochs_list names epoch {beyond[0]}, but training has epochs 0 to {length - 1}: "
                f"shorten the list or raise task.train.epochs"
            )
        if not any(self.selects(epoch) for epoch in range(length)):
            raise FedgroupError(
                f"EPIC would never select in {length} epochs with start {self.start}, "
                f"every {self.every} and stop {self.stop}: "
                f"lower start and every, or raise stop or task.train.epochs"
            )


class Survivors:
    """The samples that are not dropped yet: the state of a run between epochs."""

    def __init__(self, count: int) -> None:
        self.mask = np.ones(count, np.bool_)

    @property
    def count(self) -> int:
        """How many are left."""
        return int(self.mask.sum())

    def drop(self, gone: Bools) -> None:
        """Take samples out, for good."""
        self.mask &= ~gone

    def draw(self, generator: np.random.Generator) -> Ints:
        """Draw one epoch: all that are left, shuffled."""
        return generator.permutation(np.flatnonzero(self.mask))

    def state(self) -> Mapping[str, NDArray[Any]]:
        """Return the mask."""
        return {"alive": self.mask}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on with a stored mask."""
        self.mask = np.array(state["alive"], np.bool_)


def tier_members(data: GroupedDataset, tiers: tuple[str, ...]) -> Bools:
    """Return the clean samples of some tiers, (N,); refuse an unknown tier and an empty result."""
    names = {"LRG-1", "LRG-2", *data.info.tiers}
    for name in tiers:
        if name not in names:
            raise unknown("tier", name, names)
    groups = [group for name in tiers for group in data.info.tiers.get(name, ())]
    mask: Bools = np.isin(data.group, groups) & ~data.poison
    if not mask.any():
        raise FedgroupError(
            f"{data.info.name} has no training samples in tiers {', '.join(tiers)}: "
            f"choose others with `minority`"
        )
    return mask
