"""STRIP on a finished run: its best model, rebuilt from the run directory (paper, table 11)."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from fedgroup.attacks.base_samples import source_class
from fedgroup.attacks.none import NoAttack
from fedgroup.dataset import GroupedDataset, Splits
from fedgroup.device import pick
from fedgroup.errors import FedgroupError, unknown
from fedgroup.layout import Layout, Weights, write
from fedgroup.model import build_model
from fedgroup.probes.strip import Strip, StripReport
from fedgroup.run_directory import read_json
from fedgroup.seeding import rng
from fedgroup.spec import build
from fedgroup.task import Task, prepared_splits

CHUNK = 512
"""Stamped images held at a time; the report does not depend on it."""


@dataclass(frozen=True)
class StripProbe(Strip):
    """STRIP on the best model of a finished run: entropies by tier, and what a detector would see."""

    split: Literal["test", "train"] = "test"
    """test: clean test images and, of the attacked class, their copies under the trigger, what a detector
    meets at run time; train: the training split and the poisons in it, for attacks without a trigger."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.split not in ("test", "train"):
            raise unknown("split to measure", self.split, ("test", "train"))

    def run(self, folder: Path) -> dict[str, Any]:
        """The report on the run in `folder`.

        Overlays come from the clean validation split, at the address (seed, "strip"). `values` has the mean
        "entropy TIER" and "entropy_spread TIER" (standard deviation over samples, ddof = 1) in bits, "far R",
        the share of poisons accepted in percent where R percent of clean samples are rejected, and
        "strip_auc".
        """
        task = finished_task(folder)
        device = pick()
        splits = prepared_splits(task)
        model = best_model(folder, task, len(splits.train.info.classes), device)
        generator = rng(task.seed, "strip")
        entropy, group, poison = [], [], []
        for view in _views(task, splits, self.split):
            entropy.append(self.entropies(model, view, splits.val, generator, device))
            group.append(view.group)
            poison.append(view.poison)
        info = splits.train.info
        report = self.report(
            np.concatenate(entropy),
            np.concatenate(group),
            np.concatenate(poison),
            info.tiers,
            len(info.classes),
        )
        return {
            "round": read_json(folder / "result.json")["selection"]["best_val_wga"]["round"],
            "held_out": len(splits.val),
            **asdict(report),
            "values": _values(report),
        }


def _values(report: StripReport) -> dict[str, float]:
    found: dict[str, float | None] = {"strip_auc": report.auc}
    for tier, entropy in report.tiers.items():
        found |= {f"entropy {tier}": entropy.mean, f"entropy_spread {tier}": entropy.std}
    for detector in report.detectors:
        rate = detector.false_acceptance_rate
        found[f"far {100 * detector.false_rejection_rate:g}"] = None if rate is None else 100 * rate
    return {name: value for name, value in found.items() if value is not None}


def finished_task(folder: Path) -> Task:
    """Task of a finished run, federated or centralized; refuses a run that is not finished."""
    for name in ("spec.json", "result.json"):
        if not (folder / name).exists():
            raise FedgroupError(
                f"{folder} is not a finished run: it has no {name}; run it to its end first"
            )
    return build(Task, read_json(folder / "spec.json")["task"], "task")


def best_model(folder: Path, task: Task, classes: int, device: torch.device) -> nn.Module:
    """The model of a finished run after its round of highest validation WGA, on `device`."""
    model = build_model(task.model, classes, task.seed, device)
    if read_json(folder / "result.json")["hashes"]["layout"] != Layout.of(model).hash():
        raise FedgroupError(
            f"{folder} was made with another layout of its model: run it again with this version, elsewhere"
        )
    path = folder / "best.npz"
    try:
        with path.open("rb") as file, np.load(file) as stored:
            weights = Weights(*(stored[name] for name in ("theta", "buffers", "counters")))
    except Exception as error:  # a missing or damaged zip fails in many ways
        raise FedgroupError(
            f"cannot read {path} ({error}): delete {folder} and run it again"
        ) from error
    write(model, weights)
    return model


def _views(task: Task, splits: Splits, split: str) -> Iterator[GroupedDataset]:
    """What is measured, poisons marked."""
    if split == "train":
        yield splits.train
        return
    yield splits.test
    if type(task.attack) is NoAttack:
        return
    if not hasattr(task.attack, "stamp"):
        raise FedgroupError(
            f"{type(task.attack).__name__} has no trigger to put on test images: use split train"
        )
    source = splits.test.keep(splits.test.y == source_class(splits.train))
    for start in range(0, len(source), CHUNK):
        part = source.take(np.arange(start, min(start + CHUNK, len(source))))
        positions = np.arange(len(part), dtype=np.int64)
        stamped = task.attack.stamp(part.pixels(positions))
        yield replace(
            part, bank=stamped, row=positions, extra=None, poison=np.ones(len(part), np.bool_)
        )
