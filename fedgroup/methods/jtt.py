"""Just Train Twice (Liu et al., 2021): what a first model gets wrong is shown to a second one more often.

Algorithm 1 there: train an identification model for T epochs, let E be the training samples that it
misclassifies, and train a fresh model on the training set with E up-sampled. Spec group_methods 1.

Departures from the authors' code: seeds are explicit (theirs is always 0); phase 1 trains T + 1 epochs and
no more (theirs runs on for hundreds that nothing reads); the batch size is task.train's (theirs is fixed
at 64 for Waterbirds, the paper reproduced here uses 128); eval predictions, total and weights are options
that follow other implementations.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch.nn import functional as F

from fedgroup.dataset import Batch, Bools, GroupedDataset, Splits
from fedgroup.errors import FedgroupError
from fedgroup.intervene import Case, check_case, intervene
from fedgroup.methods.central_trainer import Trainer
from fedgroup.methods.identification import error_set
from fedgroup.methods.method import Method, changed
from fedgroup.methods.stage import Predictions
from fedgroup.methods.upsampling import upsample
from fedgroup.train import Objective, TrainConfig


@dataclass(frozen=True)
class JTT(Method):
    """The defaults are the paper's for Waterbirds (A.1).

    There task.train is SGD with momentum 0.9, batch 128, lr 1e-5, weight decay 1.0 and 100 epochs, on
    ResNet-18. CelebA: weight decay 0.1, T = 1, factor 50, 5 epochs. Embedded birds at 32 px with the small
    model: lr 1e-3, weight decay 0.3, T = 16, factor 50, 5 epochs.
    """

    identify_epochs: int = 60
    """T: full epochs of the identification model before the predictions are taken."""
    predictions: Predictions = "online"
    """online: taken while the next epoch trains, each before its step (official); eval: without steps."""
    upsample: int = 100
    """Factor of the error set; -1 is the official automatic choice."""
    amplify: Literal["added", "total", "weights"] = "added"
    """added: an error occurs 1 + upsample times per epoch (official); total: upsample times; weights: once,
    with its loss times upsample, the mean over a batch not renormalised."""
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
                f"upsample must be at least {least} where amplify is {self.amplify}, got {self.upsample}"
            )

    def run(self, splits: Splits, trainer: Trainer) -> None:
        """Train twice."""
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
        """How the identification model trains, given how the final one does."""
        return changed(
            config,
            lr=self.identify_lr,
            weight_decay=self.identify_weight_decay,
            batch_size=self.identify_batch_size,
        )

    def amplified(self, found: Bools, train: GroupedDataset, trainer: Trainer) -> Bools:
        """What of the error set `found` (N,) is up-sampled."""
        return intervene(found, train.poison, self.case)


def weighted(
    data: GroupedDataset, used: Bools, factor: int, device: torch.device | str
) -> Objective:
    """Mean over the batch of cross-entropy times `factor` for the samples in `used` (N,), else times 1."""
    table = np.ones(int(data.index.max()) + 1, np.float32)
    table[data.index[used]] = factor
    weights = torch.from_numpy(table).to(device)

    def objective(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        return (F.cross_entropy(logits, batch.y, reduction="none") * weights[batch.index]).mean()

    return objective
