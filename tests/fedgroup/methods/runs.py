"""Centralized toy runs of a fraction of a second: the task and one small setting of every method."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedgroup.dataset import GroupedDataset
from fedgroup.methods import stage as stage_module
from fedgroup.methods.clustering.clusters import Clustering
from fedgroup.methods.epic import EPIC
from fedgroup.methods.epic_then_jtt import EpicThenJtt
from fedgroup.methods.erm import ERM
from fedgroup.methods.george import George
from fedgroup.methods.group_dro import GroupDRO
from fedgroup.methods.jtt import JTT
from fedgroup.methods.stage import Stage
from fedgroup.seeding import rng
from fedgroup.spec import build
from fedgroup.task import Task, prepared_splits
from fedgroup.train import epochs

METHODS: dict[str, Any] = {
    "erm": ERM(),
    "jtt": JTT(identify_epochs=2, upsample=3),
    "group_dro": GroupDRO(),
    "george": George(first_epochs=3, clustering=Clustering(k=2)),
    "epic": EPIC(subset=0.3),
    "epic_then_jtt": EpicThenJtt(identify_epochs=2, upsample=3, stop=2, epic=EPIC(subset=0.3)),
}
RECORDS = ("rounds.jsonl", "clients.jsonl", "selections.jsonl", "result.json")


def task(seed: int = 0, epochs: int = 3, lr: float = 0.05) -> Task:
    """Toy data under a backdoor of four poisons (84 training samples)."""
    values = {
        "data": "tests.toy:ToyData",
        "model": "tests.toy:ToyModel",
        "attack": {"use": "dlbd", "fraction": 0.05, "side": 3, "gap": 0},
        "train": {"epochs": epochs, "batch_size": 16, "lr": lr},
        "seed": seed,
    }
    return build(Task, values)


def arrays(folder: Path, name: str) -> dict[str, Any]:
    """Arrays of an npz file of a run."""
    with np.load(folder / f"{name}.npz") as stored:
        return {key: stored[key] for key in stored.files if key != "__head__"}


def same_records(one: Path, other: Path) -> None:
    """Two runs have equal records and equal arrays."""
    for name in RECORDS:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    for name in ("checkpoint", "best"):
        ours, theirs = arrays(one, name), arrays(other, name)
        assert ours.keys() == theirs.keys()
        for key, value in ours.items():
            assert np.array_equal(value, theirs[key]), key


def make_stage(only: Task, data: GroupedDataset | None = None, **changes: Any) -> Stage:
    """The identification phase of a task, on other data or with other training settings."""
    train = prepared_splits(only).train if data is None else data
    return Stage(
        lambda: only.model.build(2, only.seed).to(memory_format=torch.channels_last),
        train,
        replace(only.train, **changes),
        lambda epoch: rng(only.seed, "central", "identify", epoch),
        (only.seed, "central", "identify"),
        torch.device("cpu"),
    )


def watch_stages(
    monkeypatch: pytest.MonkeyPatch, counts: Callable[[dict[str, Any]], bool] = lambda _: True
) -> list[int]:
    """Numbers of the epochs that stages really train from now on, of calls that count."""
    numbers: list[int] = []

    def watched(*args: Any, **kwargs: Any) -> Any:
        for epoch in epochs(*args, **kwargs):
            if counts(kwargs):
                numbers.append(epoch.number)
            yield epoch

    monkeypatch.setattr(stage_module, "epochs", watched)
    return numbers
