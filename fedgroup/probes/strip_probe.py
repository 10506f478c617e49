"""STRIP on a finished run: its best model, rebuilt from the run directory (paper, table 11)."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fedgroup.attacks.attack import AttackWithTrigger
from fedgroup.attacks.base_samples import source_class
from fedgroup.attacks.none import NoAttack
from fedgroup.dataset import GroupedDataset, Splits
from fedgroup.device import pick
from fedgroup.errors import FedgroupError, unknown
from fedgroup.probes.finished_run import best_model, finished_task
from fedgroup.probes.strip import Strip
from fedgroup.probes.strip_report import StripReport
from fedgroup.seeding import rng
from fedgroup.storage import read_json
from fedgroup.task import Task, prepared_splits

CHUNK = 512
"""Stamped images held at a time; the report does not depend on it."""


@dataclass(frozen=True)
class StripProbe(Strip):
    """STRIP on the best model of a finished run: entropies by tier, and what a detector sees."""

    split: Literal["test", "train"] = "test"
    """test: clean test images and, of the attacked class, their copies under the trigger, what a
    detector meets at run time; train: the training split and the poisons in it, for attacks without
    a trigger."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.split not in ("test", "train"):
            raise unknown("split to measure", self.split, ("test", "train"))

    def run(self, folder: Path) -> dict[str, Any]:
        """Return the report on the run in `folder`.

        Overlays come from the clean validation split, at the address (seed, "strip"). `values` has
        the mean "entropy TIER" and "entropy_spread TIER" (standard deviation over samples, ddof =
        1) in bits, "far R", the share of poisons accepted in percent where R percent of clean
        samples are rejected, and "strip_auc".
        """
        task = finished_task(folder)
        device = pick()
        splits = prepared_splits(task)
        model = best_model(folder, task, len(splits.train.info.classes), device)
        views = _views(task, splits, self.split)
        report = self.measure(model, views, splits.val, rng(task.seed, "strip"), device)
        return {
            "round": read_json(folder / "result.json")["selection"]["best_val_wga"]["round"],
            "held_out": len(splits.val),
            **asdict(report),
            "values": _values(report),
        }


def _values(report: StripReport) -> dict[str, float]:
    """Return the numbers of a report by name; those that do not exist are left out."""
    values: dict[str, float | None] = {"strip_auc": report.auc}
    for tier, entropy in report.tiers.items():
        values |= {f"entropy {tier}": entropy.mean, f"entropy_spread {tier}": entropy.std}
    for detector in report.detectors:
        rate = detector.false_acceptance_rate
        name = f"far {100 * detector.false_rejection_rate:g}"
        values[name] = None if rate is None else 100 * rate
    return {name: value for name, value in values.items() if value is not None}


def _views(task: Task, splits: Splits, split: str) -> Iterator[GroupedDataset]:
    """Yield what is measured, poisons marked."""
    if split == "train":
        yield splits.train
        return
    yield splits.test
    if type(task.attack) is NoAttack:
        return
    if not isinstance(task.attack, AttackWithTrigger):
        raise FedgroupError(
            f"{type(task.attack).__name__} has no trigger to put on test images: use split train"
        )
    source = splits.test.keep(splits.test.y == source_class(splits.train))
    for start in range(0, len(source), CHUNK):
        part = source.take(np.arange(start, min(start + CHUNK, len(source))))
        positions = np.arange(len(part), dtype=np.int64)
        stamped = task.attack.stamp(part.pixels(positions))
        poison = np.ones(len(part), np.bool_)
        yield replace(part, bank=stamped, row=positions, extra=None, poison=poison)
