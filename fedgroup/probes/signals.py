"""What a defence or a robust method could tell poisons by, after JTT's first phase, and how far it does.

Every signal is one number per training sample: the loss, whether JTT finds it misclassified, whether EPIC
finds it isolated, the size of its EPIC cluster, and how often it was forgotten (Toneva et al., 2019: right
after one epoch, wrong after the next). `fedgroup.separability` says what a difference between two groups
of samples means, and what is chance.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fedgroup.cache import Arrays
from fedgroup.central import Central
from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.device import holds, pick
from fedgroup.errors import FedgroupError
from fedgroup.gradients import Rows, logits, proxies
from fedgroup.methods.epic import EPIC
from fedgroup.methods.facility import class_budgets, medoids
from fedgroup.methods.identification import error_set
from fedgroup.methods.jtt import JTT
from fedgroup.probes.measure import finished_task
from fedgroup.record import read_json, write_json
from fedgroup.seeding import rng
from fedgroup.separability import compare
from fedgroup.spec import build
from fedgroup.stage import Stage
from fedgroup.task import Task, prepared_splits
from fedgroup.train import Draw, Objective
from fedgroup.trainer import NAMESPACE, cells

Floats = NDArray[np.float64]

DISCRETE = {
    "loss": False,
    "misclassification": True,
    "isolation": True,
    "cluster_size": True,
    "forgetting": True,
}
"""The signals, and whether their values repeat for a reason."""


def measure_signals(folder: Path, epic: EPIC | None = None, draws: int = 2000) -> dict[str, Any]:
    """Separability of poisons from every tier by every signal; also written to signals.json in `folder`.

    folder is a finished run of JTT, whose first phase is looked at after its T epochs; misclassification is
    its error set, from the cache where the run left it. The outputs after every epoch are not kept by a
    run, so the phase is trained once more, and cached. epic says how EPIC would select there (default:
    EPIC()).
    """
    task, method = finished_task(folder), _method(folder)
    epic = EPIC() if epic is None else epic
    stage = _identification(task, method)
    data, step = stage.data, method.identify_epochs
    if not data.poison.any():
        raise FedgroupError(
            f"{folder} trained without poisons: there is nothing to tell apart from the tiers"
        )
    found = signals(stage, step, epic, task.seed)
    found["misclassification"] = error_set(stage.predictions(step, method.predictions), data).astype(float)
    report = {"step": step, "signals": separate(found, data, task.seed, draws)}
    write_json(folder / "signals.json", report)
    return report


def separate(
    found: Mapping[str, Floats], data: GroupedDataset, seed: int, draws: int = 2000
) -> dict[str, dict[str, Any]]:
    """Separability of the poisons of `data` (sample a) from each tier (sample b), by signal and tier.

    found holds signals (N,) by name. A tier without samples is absent.
    """
    masks = cells(data)
    out: dict[str, dict[str, Any]] = {}
    for name, values in found.items():
        out[name] = {
            tier: asdict(
                compare(
                    values[data.poison],
                    values[masks[tier]],
                    rng(seed, "signals", name, tier),
                    discrete=DISCRETE[name],
                    draws=draws,
                )
            )
            for tier in data.info.tiers
            if masks[tier].any()
        }
    return out


def signals(stage: Stage, step: int, epic: EPIC, seed: int) -> dict[str, Floats]:
    """All signals of a stage after `step` epochs, (N,) float64 by name, in evaluation mode."""
    if epic.no_bias:
        raise FedgroupError("signals come from the model's own outputs: set no_bias of epic to false")
    data = stage.data
    rows = outputs(stage, step)
    gradients = proxies(rows[step], data.y)
    sizes = cluster_sizes(gradients, data.y, epic, seed, step, stage.device)
    return {
        "loss": losses(rows[step], data.y),
        "misclassification": (rows[step].argmax(1) != data.y).astype(np.float64),
        "isolation": (sizes <= epic.threshold).astype(np.float64),
        "cluster_size": sizes.astype(np.float64),
        "forgetting": forgetting(rows.argmax(2), data.y).astype(np.float64),
    }


def outputs(stage: Stage, length: int) -> Rows:
    """Logits (length + 1, N, C) float32 in evaluation mode: of the start and after every epoch; cached."""
    keeper = _Outputs(stage.data, stage.device)
    stage.keep({"product": "outputs"}, keeper, length)
    return np.stack(keeper.rows[: length + 1])


def losses(rows: Rows, y: Ints) -> Floats:
    """Cross-entropy of every sample, (N,) float64, from logits (N, C)."""
    wide = rows.astype(np.float64)
    top = wide.max(1)
    own = wide[np.arange(len(y)), y]
    return np.asarray(np.log(np.exp(wide - top[:, None]).sum(1)) + top - own)


def forgetting(predicted: Ints, y: Ints) -> Ints:
    """How often every sample turned from right to wrong, (N,), given predictions (E + 1, N) by epoch.

    Row 0 is the start and does not count. A sample that was never right gets E, more than any other can
    have (Toneva et al. call it forgotten infinitely often).
    """
    right = (predicted == y)[1:]
    lost = (right[:-1] & ~right[1:]).sum(0)
    return np.where(right.any(0), lost, len(right)).astype(np.int64)


def cluster_sizes(
    gradients: Rows, y: Ints, epic: EPIC, seed: int, epoch: int, device: torch.device | str = "cpu"
) -> Ints:
    """Samples in the EPIC cluster of every sample, (N,); EPIC.isolated drops clusters up to its threshold."""
    budget = math.floor(epic.subset * len(y))
    budgets = class_budgets(np.bincount(y), budget, rng(seed, "epic", epoch))
    sizes = np.zeros(len(y), np.int64)
    for label, share in enumerate(budgets.tolist()):
        if share:
            own = y == label
            chosen = medoids(gradients[own], share, epic.similarity, memory=epic.memory, device=device)
            sizes[own] = chosen.weights[chosen.cluster]
    return sizes


def _method(folder: Path) -> JTT:
    spec = read_json(folder / "spec.json").get("method")
    method = None if spec is None else build(Central, {"method": spec}).method
    if not isinstance(method, JTT):
        ran = "a federated strategy" if spec is None else spec["use"]
        raise FedgroupError(f"{folder} ran {ran}, which has no first phase to look at: give a run of jtt")
    return method


def _identification(task: Task, method: JTT) -> Stage:
    """The first phase, as the trainer of a run makes it."""
    splits, device = prepared_splits(task), pick()
    train = splits.train
    if holds(device, sum(split.bank.nbytes for split in splits)):
        train = train.to(device)

    def start() -> nn.Module:
        model: nn.Module = task.model.build(len(train.info.classes), task.seed).to(device)
        return model if device.type == "mps" else model.to(memory_format=torch.channels_last)

    address = (task.seed, NAMESPACE, "identify")
    return Stage(
        start, train, method.identify_config(task.train), lambda epoch: rng(*address, epoch), address, device
    )


class _Outputs:
    """Logits (N, C) after every epoch."""

    names: tuple[str, ...] = ("rows",)
    objective: Objective | None = None
    draw: Draw | None = None

    def __init__(self, data: GroupedDataset, device: torch.device) -> None:
        self.data, self.device = data, device
        self.rows: list[Rows] = []

    def after(self, model: nn.Module, number: int) -> None:
        self.rows.append(logits(model, self.data, self.device))

    def arrays(self) -> Arrays:
        return {"rows": np.stack(self.rows)}

    def load(self, arrays: Arrays) -> None:
        self.rows = list(arrays["rows"])
