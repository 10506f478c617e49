"""JTT, Just Train Twice: what a first model gets wrong is shown to a second one more often.

Departures from the authors' code: seeds are explicit (theirs is always 0); phase 1 trains T + 1
epochs and no more (theirs runs on for hundreds that nothing reads); the batch size is task.train's
(theirs is fixed at 64 for Waterbirds, the paper reproduced here uses 128); eval predictions, total
and weights are options that follow other implementations.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn import functional as F

from fedgroup.dataset import Batch, Bools, GroupedDataset, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.intervene import Case, check_case, intervene
from fedgroup.methods.central_trainer import Trainer
from fedgroup.methods.method import Method, changed
from fedgroup.methods.stage import Predictions
from fedgroup.train import Objective, TrainConfig


@dataclass(frozen=True)
class JTT(Method):
    """Just Train Twice (Liu et al., ICML 2021, algorithm 1).

    Train an identification model f for T epochs; E = {i : f(x_i) != y_i} is its error set. Train a
    fresh model on (upsample) * sum_{i in E} l(x_i, y_i) + sum_{i not in E} l(x_i, y_i), by
    repeating the samples of E (or, with amplify: weights, by weighting their loss).

    The defaults are the paper's for Waterbirds (appendix A.1). There task.train is SGD with
    momentum 0.9, batch 128, lr 1e-5, weight decay 1.0 and 100 epochs, on ResNet-18. CelebA: weight
    decay 0.1, T = 1, factor 50, 5 epochs. Embedded birds at 32 px with the small model: lr 1e-3,
    weight decay 0.3, T = 16, factor 50, 5 epochs.
    """

    identify_epochs: int = 60
    """T: full epochs of the identification model before the predictions are taken."""
    predictions: Predictions = "online"
    """online: taken while the next epoch trains, each before its step (official); eval: without
    steps."""
    upsample: int = 100
    """Factor of the error set; -1 is the official automatic choice."""
    amplify: Literal["added", "total", "weights"] = "added"
    """added: an error occurs 1 + upsample times per epoch (official); total: upsample times;
    weights: once, with its loss times upsample, the mean over a batch not renormalised."""
    case: Case = "standard"
    """ideal takes all poisons out of the error set, worst puts all in (paper, section 3.2)."""
    identify_lr: float | None = None
    """Learning rate of the identification model; null: task.train's."""
    identify_weight_decay: float | None = None
    """Weight decay of the identification model; null: task.train's."""
    identify_batch_size: int | None = None
    """Batch size of the identification model; null: task.train's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_case(self.case)
        if self.identify_epochs < 0:
            raise FedgroupError(f"identify_epochs must be at least 0, got {self.identify_epochs}")
        least = -1 if self.amplify == "added" else 1
        if self.upsample < least:
            raise FedgroupError(
                f"upsample must be at least {least} where amplify is {self.amplify}, "
                f"got {self.upsample}"
            )

    def run(self, splits: Splits, trainer: Trainer) -> None:
        """Train twice: the second time with the errors of the first amplified."""
        train = splits.train
        first = trainer.stage("identify", train, self.identify_config(trainer.task.train))
        found = error_set(first.predictions(self.identify_epochs, self.predictions), train)
        used = self.amplified(found, train, trainer)
        trainer.record("amplify", self.identify_epochs, found, used)
        if self.amplify == "weights":
            trainer.train(train, objective=weighted(train, used, self.upsample, trainer.device))
        else:
            trainer.train(upsample(train, used, self.upsample, self.amplify))

    def identify_config(self, config: TrainConfig) -> TrainConfig:
        """Return how the identification model trains, from how the final one does."""
        return changed(
            config,
            lr=self.identify_lr,
            weight_decay=self.identify_weight_decay,
            batch_size=self.identify_batch_size,
        )

    def amplified(self, found: Bools, train: GroupedDataset, trainer: Trainer) -> Bools:
        """Return what of the error set is amplified; a method built on JTT may choose otherwise.

        Args:
            found: The error set, (N,) over `train`.
            train: The training split.
            trainer: The trainer of the run, for methods that train to choose.

        Returns:
            Mask (N,): the error set after the intervention of `case`.
        """
        return intervene(found, train.poison, self.case)


def error_set(predicted: Ints, data: GroupedDataset) -> Bools:
    """Return which samples of `data` are misclassified, (N,), from predicted classes (N,)."""
    if predicted.shape != data.y.shape:
        raise FedgroupError(
            f"{predicted.shape} predictions for {len(data)} samples: give one per sample"
        )
    found: Bools = predicted != data.y
    return found


def upsample(
    data: GroupedDataset,
    mask: Bools,
    factor: int,
    factor_counts: Literal["added", "total"] = "added",
) -> GroupedDataset:
    """Return JTT's training list: the samples of `data`, then those of the mask again and again.

    Args:
        data: N samples.
        mask: The E samples to repeat, (N,). Without any the list is `data` itself: plain ERM.
        factor: How often, in whole blocks after `data`; -1 is the official automatic choice
            int((N - E) / E) - 1, at least 0.
        factor_counts: added: a sample of the mask occurs 1 + factor times per epoch, as in the
            official code; total: factor times.

    Returns:
        A view of `data`; no pixel is copied.

    Raises:
        FedgroupError: where the mask does not fit the data, or the factor is too small.
    """
    if mask.shape != data.y.shape:
        raise FedgroupError(
            f"a mask of {mask.shape} for {len(data)} samples: give one entry per sample"
        )
    if factor < -1 or (factor_counts == "total" and factor == 0):
        raise FedgroupError(
            f"the up-sampling factor must be at least 0 (1 where it counts the total), or -1 for "
            f"the automatic one, got {factor}"
        )
    errors = int(mask.sum())
    if errors == 0:
        return data
    if factor == -1:
        return data.repeat(mask, max(0, (len(data) - errors) // errors - 1))
    return data.repeat(mask, factor - (factor_counts == "total"))


def weighted(
    data: GroupedDataset, mask: Bools, factor: int, device: torch.device | str
) -> Objective:
    """Return the objective that weights the loss of some samples.

    Args:
        data: N samples; batches are looked up in it by sample identity.
        mask: The samples to weight, (N,).
        factor: Weight of their cross-entropy; that of the others is 1.
        device: Where batches live.

    Returns:
        The mean over a batch of weight times cross-entropy, not renormalised.
    """
    table = np.ones(int(data.index.max()) + 1, np.float32)
    table[data.index[mask]] = factor
    weights = torch.from_numpy(table).to(device)

    def objective(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        return (F.cross_entropy(logits, batch.y, reduction="none") * weights[batch.index]).mean()

    return objective
