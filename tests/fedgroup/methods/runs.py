"""Centralized toy runs of a fraction of a second: the task and one small setting of every method."""

from pathlib import Path
from typing import Any

import numpy as np

from fedgroup.methods.clustering.clusters import Clustering
from fedgroup.methods.epic import EPIC
from fedgroup.methods.epic_then_jtt import EpicThenJtt
from fedgroup.methods.erm import ERM
from fedgroup.methods.george import George
from fedgroup.methods.group_dro import GroupDRO
from fedgroup.methods.jtt import JTT
from fedgroup.spec import build
from fedgroup.task import Task

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
