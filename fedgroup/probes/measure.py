"""STRIP on a finished run: its best model, rebuilt from the run directory (paper, table 11)."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from fedgroup.attacks.bases import source_class
from fedgroup.attacks.none import NoAttack
from fedgroup.dataset import GroupedDataset, Splits
from fedgroup.device import pick
from fedgroup.errors import FedgroupError, unknown
from fedgroup.layout import Layout, Weights, write
from fedgroup.probes.strip import Strip
from fedgroup.record import read_json, write_json
from fedgroup.seeding import rng
from fedgroup.spec import build, to_dict
from fedgroup.task import Task, prepared_splits

CHUNK = 512
"""Stamped images held at a time; the report does not depend on it."""


def measure_run(
    folder: Path,
    strip: Strip | None = None,
    split: Literal["test", "train"] = "test",
    device: torch.device | str | None = None,
) -> dict[str, Any]:
    """Apply STRIP to the best model of a finished run; the report, also written to strip.json beside it.

    test measures the clean test images and, of the attacked class, their copies under the trigger: what a
    detector at run time meets. train measures the training split and the poisons in it, for attacks
    without a trigger. Overlays come from the clean validation split, at the address (seed, "strip").
    """
    strip = Strip() if strip is None else strip
    task = finished_task(folder)
    device = pick() if device is None else torch.device(device)
    splits = prepared_splits(task)
    model = best_model(folder, task, len(splits.train.info.classes), device)
    generator = rng(task.seed, "strip")
    entropy, group, poison = [], [], []
    for view in _views(task, splits, split):
        entropy.append(strip.entropies(model, view, splits.val, generator, device))
        group.append(view.group)
        poison.append(view.poison)
    info = splits.train.info
    report = strip.report(
        np.concatenate(entropy), np.concatenate(group), np.concatenate(poison), info.tiers, len(info.classes)
    )
    found = {
        "settings": to_dict(strip),
        "split": split,
        "round": read_json(folder / "result.json")["selection"]["best_val_wga"]["round"],
        "held_out": len(splits.val),
        **asdict(report),
    }
    write_json(folder / "strip.json", found)
    return found


def finished_task(folder: Path) -> Task:
    """Task of a finished run, federated or centralized; refuses a run that is not finished."""
    for name in ("spec.json", "result.json"):
        if not (folder / name).exists():
            raise FedgroupError(f"{folder} is not a finished run: it has no {name}; run it to its end first")
    return build(Task, read_json(folder / "spec.json")["task"], "task")


def best_model(folder: Path, task: Task, classes: int, device: torch.device) -> nn.Module:
    """The model of a finished run after its round of highest validation WGA, on `device`."""
    model: nn.Module = task.model.build(classes, task.seed)
    if read_json(folder / "result.json")["hashes"]["layout"] != Layout.of(model).hash():
        raise FedgroupError(
            f"{folder} was made with another layout of its model: run it again with this version, elsewhere"
        )
    path = folder / "best.npz"
    try:
        with path.open("rb") as file, np.load(file) as stored:
            weights = Weights(*(stored[name] for name in ("theta", "buffers", "counters")))
    except Exception as error:  # a missing or damaged zip fails in many ways
        raise FedgroupError(f"cannot read {path} ({error}): delete {folder} and run it again") from error
    write(model, weights)
    model = model.to(device)
    return model if device.type == "mps" else model.to(memory_format=torch.channels_last)


def _views(task: Task, splits: Splits, split: str) -> Iterator[GroupedDataset]:
    """What is measured, poisons marked."""
    if split not in ("test", "train"):
        raise unknown("split to measure", split, ("test", "train"))
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
        yield replace(part, bank=stamped, row=positions, extra=None, poison=np.ones(len(part), np.bool_))
