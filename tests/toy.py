"""Toy components for tests: small enough that a federated run takes a second, used by import path."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedgroup.checks.toy_data import TinyModel, TinyNet, pictures
from fedgroup.dataset import GroupedDataset, GroupInfo, Splits
from fedgroup.seeding import rng

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
    from fedgroup.spec import merge

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
