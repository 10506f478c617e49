"""GEORGE: clusters of a first model's activations stand in for groups.

Departures from the authors' code: the final epoch is chosen by validation WGA, as everywhere here
(theirs, the reweighted accuracy of the worst estimated cluster, is recorded as val_estimated and
reported as best_val_estimated); the cluster weights are saved with the checkpoint; cluster ids
without samples are closed up; where ideal puts the poisons is our choice, the largest other cluster
of their class.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from fedgroup.dataset import GroupedDataset, Splits
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.intervene import Case, check_case
from fedgroup.layout import write
from fedgroup.methods.central_trainer import Trainer
from fedgroup.methods.clustering.clusters import (
    Clustering,
    Clusters,
    compact,
    move_between,
    smallest,
)
from fedgroup.methods.clustering.reweight import reweights, worst_reweighted
from fedgroup.methods.dro_objective import DROLoss
from fedgroup.methods.group_sampling import uniform_over_groups
from fedgroup.methods.method import Method, changed
from fedgroup.model import features
from fedgroup.predict import BATCH

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class George(Method):
    """GEORGE (Sohoni et al., No Subclass Left Behind, NeurIPS 2020, section 4).

    Train a model, cluster its activations within each class (step 1, section 4.1), train a fresh
    model on max_c E_c[l(x, y)] over the clusters c by GroupDRO (step 2, section 4.2). The paper
    reproduced here calls the members of the smallest cluster identified (section 3.1).

    The defaults are the authors' for Waterbirds. There task.train is SGD with momentum 0.9, batch
    128, lr 1e-5, weight decay 1.0 and 300 epochs; the first model trains as long. The paper
    reproduced here uses the same with ResNet-18 (appendix A.1). Embedded birds at 32 px with the
    small model: lr 1e-3, weight decay 0.3, 12 epochs after 10 of the first model.
    """

    first_epochs: int = 300
    """Epochs of the first model."""
    first_lr: float | None = None
    """Learning rate of the first model; null: task.train's."""
    first_weight_decay: float | None = None
    """Weight decay of the first model; null: task.train's."""
    checkpoint: Literal["acc_adjusted", "acc", "wga"] = "acc_adjusted"
    """Validation metric that picks the first model's epoch (official: acc_adjusted; CelebA:
    acc)."""
    clustering: Clustering = Clustering()
    """How activations are clustered within each class."""
    loss: DROLoss = DROLoss(adjustment=2.0)
    """Objective over clusters; officially size adjustment 2 (CelebA: 3)."""
    case: Case = "standard"
    """ideal moves all poisons out of the smallest cluster, worst moves all into it (paper, section
    3.2)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_case(self.case)
        if self.first_epochs < 1:
            raise FedgroupError(f"first_epochs must be at least 1, got {self.first_epochs}")

    def run(self, splits: Splits, trainer: Trainer) -> None:
        """Cluster, then train robustly over clusters."""
        train, val = splits.train, splits.val
        self.clustering.reduction.check_classes(len(train.info.classes))
        model = self._first_model(splits, trainer)
        train_rows, losses = activations(model, train, trainer.device)
        val_rows, _ = activations(model, val, trainer.device)
        weight = _last_layer(model).weight.detach().cpu().numpy()
        clusters = self.clustering.fit(
            train_rows, train.y, trainer.task.seed, weight, losses, (val_rows, val.y)
        )
        before = clusters.assign(train_rows, train.y)
        chosen = smallest(before)
        ids = move_between(before, train.y, train.poison, self.case)
        trainer.record(
            "amplify",
            self.first_epochs,
            before == chosen,
            ids == chosen,
            facts=_facts(clusters, chosen),
        )
        groups, _ = compact(ids)
        objective = self.loss.over(train, groups, trainer.device)
        estimated = clusters.assign(val_rows, val.y)
        val_counts = [int(n) for n in val.group_counts()]
        reweight = reweights(train.info.train_counts, val_counts)[val.group]
        for step in trainer.epochs(
            train,
            objective=objective,
            draw=lambda rng: uniform_over_groups(groups, rng),
            state=objective,
        ):
            if step.val is not None:
                step.row["val_estimated"] = worst_reweighted(step.val == val.y, estimated, reweight)

    def _first_model(self, splits: Splits, trainer: Trainer) -> nn.Module:
        """Return the first model after its best epoch."""
        config = changed(trainer.task.train, lr=self.first_lr, weight_decay=self.first_weight_decay)
        train_counts = splits.train.info.train_counts

        def score(counts: Counts) -> float:
            if self.checkpoint == "acc_adjusted":
                return counts.adjusted(train_counts)
            return counts.wga() if self.checkpoint == "wga" else counts.accuracy()

        stage = trainer.stage("identify", splits.train, config)
        model = trainer.build()
        write(model, stage.best(self.first_epochs, splits.val, score, self.checkpoint))
        return model


def activations(
    model: nn.Module, data: GroupedDataset, device: torch.device | str
) -> tuple[Rows, NDArray[np.float64]]:
    """Return what the last layer of a model gets, and the loss, for every sample.

    Args:
        model: Network that ends in a linear layer `fc`, on `device`; left in evaluation mode.
        data: N samples.
        device: Where the network computes.

    Returns:
        Activations (N, D) float32 and cross-entropies (N,), in the order of the samples.
    """
    model.eval()
    fc = _last_layer(model)
    rows, losses = [], []
    for start in range(0, len(data), BATCH):
        batch = data.batch(np.arange(start, min(start + BATCH, len(data))), device)
        with torch.inference_mode():
            inputs = features(model, batch.x)
            logits = F.linear(inputs, fc.weight, fc.bias)
            rows.append(inputs.float().cpu().numpy())
            losses.append(F.cross_entropy(logits, batch.y, reduction="none").double().cpu().numpy())
    return np.concatenate(rows), np.concatenate(losses)


def _last_layer(model: nn.Module) -> nn.Linear:
    layer: nn.Linear = model.fc  # type: ignore[assignment]
    return layer


def _facts(clusters: Clusters, chosen: int) -> dict[str, object]:
    """Return what was clustered, for the record: clusters per class and the identified one."""
    scores = [{str(k): float(v) for k, v in by_k.items()} for by_k in clusters.scores]
    return {"clusters": list(clusters.sizes), "smallest": chosen, "silhouettes": scores}
