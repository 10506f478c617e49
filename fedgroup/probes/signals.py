"""What a defence or a robust method could tell poisons by.

Every signal is one number per training sample. After JTT's first phase: the loss, whether JTT finds
it misclassified, whether EPIC finds it isolated, the size of its EPIC cluster, and how often it was
forgotten (Toneva et al., ICLR 2019: right after one epoch, wrong after the next). Of a run of EPIC:
the epoch at which it was eliminated. fedgroup/probes/separability.py says what a difference between
two groups of samples means.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.errors import FedgroupError
from fedgroup.methods.epic import EPIC
from fedgroup.methods.stage import Stage
from fedgroup.predict import Rows, logits, proxies
from fedgroup.storage import Arrays
from fedgroup.train import Draw, Objective

Floats = NDArray[np.float64]

DISCRETE = {
    "loss": False,
    "misclassification": True,
    "isolation": True,
    "cluster_size": True,
    "forgetting": True,
    "elimination": True,
}
"""The signals, and whether their values repeat for a reason."""


def eliminations(selections: Sequence[Mapping[str, Any]], length: int) -> dict[str, Floats]:
    """Return the epoch at which every sample was eliminated, by tier.

    selections are the lines of an EPIC run of `length` epochs, whose counts per tier are
    cumulative. A sample that stayed has `length`, past the last epoch. The samples of a tier are in
    the order of their elimination.
    """
    steps = [line for line in selections if line["kind"] == "eliminate"]
    by_tier: dict[str, Floats] = {}
    for tier in steps[-1]["used"] if steps else ():
        gone, size = 0, steps[-1]["used"][tier][1]
        parts = []
        for line in steps:
            now = line["used"][tier][0]
            parts.append(np.full(now - gone, float(line["step"])))
            gone = now
        by_tier[tier] = np.concatenate([*parts, np.full(size - gone, float(length))])
    return by_tier


def signals(stage: Stage, step: int, epic: EPIC, seed: int) -> dict[str, Floats]:
    """Compute all signals of a first phase, in evaluation mode.

    Args:
        stage: The first phase.
        step: Epochs after which its model is looked at.
        epic: How EPIC would select at that epoch.
        seed: Seed of that selection.

    Returns:
        Signals (N,) float64 by name, over the stage's data.

    Raises:
        FedgroupError: where epic leaves the last bias out.
    """
    if epic.no_bias:
        raise FedgroupError(
            "signals come from the model's own outputs: set no_bias of epic to false"
        )
    data = stage.data
    rows = outputs(stage, step)
    gradients = proxies(rows[step], data.y)
    sizes = epic.cluster_sizes(gradients, data.y, seed, step, stage.device)
    return {
        "loss": losses(rows[step], data.y),
        "misclassification": (rows[step].argmax(1) != data.y).astype(np.float64),
        "isolation": (sizes <= epic.threshold).astype(np.float64),
        "cluster_size": sizes.astype(np.float64),
        "forgetting": forgetting(rows.argmax(2), data.y).astype(np.float64),
    }


def outputs(stage: Stage, length: int) -> Rows:
    """Return logits in evaluation mode, (length + 1, N, C) float32, of the start and every epoch.

    They are cached like any product of the stage.
    """
    keeper = _Outputs(stage.data, stage.device)
    stage.advance({"product": "outputs"}, keeper, length)
    return np.stack(keeper.rows[: length + 1])


def losses(rows: Rows, y: Ints) -> Floats:
    """Return the cross-entropy of every sample, (N,) float64, from logits (N, C) and y (N,)."""
    wide = rows.astype(np.float64)
    top = wide.max(1)
    own = wide[np.arange(len(y)), y]
    return np.asarray(np.log(np.exp(wide - top[:, None]).sum(1)) + top - own)


def forgetting(predicted: Ints, y: Ints) -> Ints:
    """Return how often every sample turned from right to wrong, (N,) (Toneva et al., ICLR 2019).

    predicted (E + 1, N) are the classes after every epoch; row 0 is the start and does not count. A
    sample that was never right gets E, more than any other can have (Toneva et al. call it
    forgotten infinitely often).
    """
    right = (predicted == y)[1:]
    lost = (right[:-1] & ~right[1:]).sum(0)
    return np.where(right.any(0), lost, len(right)).astype(np.int64)


class _Outputs:
    """Logits (N, C) after every epoch."""

    names: tuple[str, ...] = ("rows",)
    objective: Objective | None = None
    draw: Draw | None = None

    def __init__(self, data: GroupedDataset, device: torch.device) -> None:
        self.data, self.device = data, device
        self.rows: list[Rows] = []

    def after_epoch(self, number: int, model: nn.Module) -> None:
        self.rows.append(logits(model, self.data, self.device))

    def arrays(self) -> Arrays:
        return {"rows": np.stack(self.rows)}

    def load(self, arrays: Arrays) -> None:
        self.rows = list(arrays["rows"])
