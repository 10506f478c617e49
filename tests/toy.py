"""Toy components for tests: small enough that a federated run takes a second, used by import path."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch

from fedgroup.checks.toy_data import TinyModel, TinyNet, pictures
from fedgroup.dataset import GroupedDataset, GroupInfo, Splits
from fedgroup.seeding import rng
from fedgroup.settings.overrides import merge
from fedgroup.spec import build
from fedgroup.task import Task

ToyNet = TinyNet
INFO = GroupInfo(
    name="toy",
    classes=("a", "b"),
    groups=("a0", "a1", "b0", "b1"),
    tiers={"LRG-1": (2,), "LRG-2": (1,), "HRG": (0, 3)},
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
    train_counts=(40, 8, 4, 28),
)


@dataclass(frozen=True)
class ToyData:
    """8x8 images whose brightness follows y and whose redness follows a."""

    scale: int = 1
    """Multiplies the group counts."""

    def load(self) -> Splits:
        generator = rng(0, "toy")
        parts = []
        for counts in ((40, 8, 4, 28), (6, 6, 6, 6), (10, 10, 10, 10)):
            group = generator.permutation(np.repeat(np.arange(4), np.array(counts) * self.scale))
            bank = pictures(group, 8, generator)
            parts.append(GroupedDataset.clean(bank, np.arange(len(group)), group // 2, group, INFO))
        return Splits(*parts)


@dataclass(frozen=True)
class ToyModel(TinyModel):
    """The network of the contract checks, under the tests' own import path."""


@dataclass(frozen=True)
class MeanOfTwo:
    """An outsider's rule in one file: the mean of the two clients of lowest id."""

    coordinatewise: ClassVar[bool] = True

    def min_clients(self) -> int:
        return 2

    def init(self, theta: Any) -> dict[str, Any]:
        return {}

    def step(self, state: Any, theta: Any, clients: Any, weights: Any) -> tuple[Any, Any]:
        return (clients[0] + clients[1]) / np.float32(2), state


def experiment(**changes: Any) -> dict[str, Any]:
    """Settings of a run of a second; keyword arguments are dotted paths with __ for dots."""
    values: dict[str, Any] = {
        "task": {
            "data": "tests.toy:ToyData",
            "model": "tests.toy:ToyModel",
            "partition": {"use": "iid", "clients": 8},
            "train": {"epochs": 1, "batch_size": 4},
        },
        "federation": {"rounds": 3, "fraction": 0.5},
    }
    for path, value in changes.items():
        nested: Any = value
        for key in reversed(path.split("__")):
            nested = {key: nested}
        values = merge(values, nested)
    return values


def task(attack: str = "dlbd", **changes: Any) -> Task:
    """Task on the toy data with poisons; keyword arguments are its other settings."""
    settings = {"use": attack, "fraction": 0.1} | (
        {"side": 3, "gap": 0} if attack == "dlbd" else {}
    )
    values = {
        "data": "tests.toy:ToyData",
        "model": "tests.toy:ToyModel",
        "attack": settings,
        **changes,
    }
    return build(Task, values)


def one_bank() -> Splits:
    """The toy splits over a single bank, as the data sets have it."""
    splits = ToyData().load()
    bank = torch.cat([part.bank for part in splits])
    starts = np.cumsum([0] + [len(part.bank) for part in splits])
    return Splits(
        *(replace(p, bank=bank, row=p.row + s) for p, s in zip(splits, starts, strict=False))
    )
