"""Toy components for tests: small enough that a federated run takes a second, used by import path."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from fedgroup.dataset import GroupedDataset, GroupInfo, Splits
from fedgroup.seeding import rng, torch_seed

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
            y, a = group // 2, group % 2
            images = generator.integers(0, 120, (len(group), 8, 8, 3))
            images += (y * 60)[:, None, None, None]
            images[..., 0] += (a * 70)[:, None, None]
            bank = torch.from_numpy(images.clip(0, 255).astype(np.uint8))
            parts.append(GroupedDataset.clean(bank, np.arange(len(group)), y, group, INFO))
        return Splits(*parts)


class ToyNet(nn.Module):
    """A convolution with BatchNorm and a linear layer."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.fc(torch.relu(self.bn(self.conv(x))).mean((2, 3)))
        return out


@dataclass(frozen=True)
class ToyModel:
    """The toy network, from scratch."""

    def build(self, classes: int, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(seed, "init"))
            return ToyNet(classes)


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
