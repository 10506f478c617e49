"""Data of a few hundred small pictures for the checks, made in milliseconds.

Groups are those of Waterbirds; a tiny network and an attack that turns labels go with them.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fedgroup.dataset import Bools, GroupedDataset, GroupInfo, Ints, Splits
from fedgroup.group_metrics import Counts
from fedgroup.seeding import rng, torch_seed

COUNTS = ((700, 60, 40, 400), (30, 30, 30, 30), (50, 50, 50, 50))
"""Samples per group of the train, val and test split."""
SMALL = 10
"""The small data set has so many times fewer of them."""
INFO = GroupInfo(
    name="contract",
    classes=("a", "b"),
    groups=("a0", "a1", "b0", "b1"),
    tiers={"LRG-1": (2,), "LRG-2": (1,), "HRG": (0, 3)},
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
    train_counts=COUNTS[0],
)


MORE = GroupInfo(
    name="contract, three classes",
    classes=("a", "b", "c"),
    groups=("a0", "a1", "b0", "b1", "c0", "c1"),
    tiers={"LRG-1": (2,), "LRG-2": (1,), "HRG": (0, 3, 4, 5)},
    mean=(0.5, 0.5, 0.5),
    std=(0.25, 0.25, 0.25),
    train_counts=(350, 30, 20, 100, 60, 40),
)
"""What the data of three classes are called."""


@dataclass(frozen=True)
class ThreeClasses:
    """Small pictures of three classes, the first of them the largest."""

    def load(self) -> Splits:
        """Make the three splits."""
        parts = []
        for name, few in zip(Splits._fields, (MORE.train_counts, (5,) * 6, (9,) * 6), strict=True):
            generator = rng(0, "contract", "three classes", name)
            group = generator.permutation(np.repeat(np.arange(6), few))
            bank = pictures(group, 16, generator)
            parts.append(GroupedDataset.clean(bank, np.arange(len(group)), group // 2, group, MORE))
        return Splits(*parts)


@dataclass(frozen=True)
class ContractData:
    """Pictures of 32 x 32 pixels whose brightness follows y and whose redness follows a."""

    small: bool = False
    """A tenth of the samples, in smaller pictures."""
    other_test: bool = False
    """The same data with another test split."""

    def load(self) -> Splits:
        """Make the three splits."""
        parts = []
        for name, counts in zip(Splits._fields, COUNTS, strict=True):
            generator = rng(0, "contract", name, int(self.other_test and name == "test"))
            few = np.array(counts) // (SMALL if self.small else 1)
            group = generator.permutation(np.repeat(np.arange(4), few))
            side = 16 if self.small else 32
            bank = pictures(group, side, generator)
            parts.append(GroupedDataset.clean(bank, np.arange(len(group)), group // 2, group, INFO))
        return Splits(*parts)


def pictures(group: Ints, side: int, generator: np.random.Generator) -> torch.Tensor:
    """Draw a picture of each group: brighter for class 1, redder for attribute 1.

    Args:
        group: Group 2*y + a of each picture, (N,).
        side: Height and width in pixels.
        generator: Draws the noise in them.

    Returns:
        Pictures, (N, side, side, 3) uint8.
    """
    images = generator.integers(0, 120, (len(group), side, side, 3))
    images += (group // 2 * 60)[:, None, None, None]
    images[..., 0] += (group % 2 * 70)[:, None, None]
    return torch.from_numpy(images.clip(0, 255).astype(np.uint8))


@dataclass(frozen=True)
class WrongLabels:
    """Every tenth sample has the next label; which of them are marked as poison is a setting."""

    paired: ClassVar[bool] = False
    reference: ClassVar[bool] = False

    unmarked: bool = False
    """Mark as many other samples instead of those with wrong labels."""

    def poison(self, splits: Splits, rng: np.random.Generator) -> Splits:
        """Move labels to the next class and mark samples."""
        train = splits.train
        wrong: Bools = np.arange(len(train)) % 10 == 0
        marked = np.roll(wrong, 5) if self.unmarked else wrong
        return splits._replace(
            train=replace(train, y=(train.y + wrong) % len(train.info.classes), poison=marked)
        )

    def success(self, predict: object, splits: Splits, rng: np.random.Generator) -> Counts:
        """Not measured."""
        return Counts((0,) * 4, (0,) * 4)


class TinyNet(nn.Module):
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
class TinyModel:
    """The network, from scratch."""

    def build(self, classes: int, seed: int) -> nn.Module:
        """Return a fresh network; equal arguments give equal weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(seed, "init"))
            return TinyNet(classes)


COLUMNS = ("row", "y", "group", "poison", "index")
"""Columns of a split."""


def contents(split: GroupedDataset) -> dict[str, NDArray[Any]]:
    """Return copies of a split's columns and of every picture it shows, by name."""
    columns = {name: getattr(split, name).copy() for name in COLUMNS}
    return columns | {"pictures": split.pixels(np.arange(len(split))).cpu().numpy().copy()}


def first_difference(split: GroupedDataset, expected: dict[str, NDArray[Any]]) -> str | None:
    """Return the first part in which a split differs from contents(); None where none does."""
    now = contents(split)
    return next((name for name in expected if not np.array_equal(now[name], expected[name])), None)


def read_only(splits: Splits) -> Splits:
    """Return the splits, whose columns cannot be written to any more."""
    for split in splits:
        for name in COLUMNS:
            getattr(split, name).setflags(write=False)
    return splits
