"""Data with groups: pixels once in a uint8 bank, everything else an index column.

Poisoning, up-sampling, dropping and sharding are index arithmetic: no pixel is copied and the
identity of a sample (`index`) is never lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from fedgroup.guards.names import check_names_of
from fedgroup.spec import Component

Ints = NDArray[np.int64]
"""Whole numbers, mostly positions, classes or groups."""
Bools = NDArray[np.bool_]
"""A mask."""


@dataclass(frozen=True)
class GroupInfo:
    """What the numbers in a data set's columns mean."""

    name: str
    """Name of the data set, for messages and reports."""
    classes: tuple[str, ...]
    """Name of each class y."""
    groups: tuple[str, ...]
    """Name of each group g = A*y + a."""
    tiers: Mapping[str, tuple[int, ...]]
    """Groups by representation: LRG-1 (least), LRG-2, HRG. A tier that does not exist is absent."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    """Channel means in [0, 1], subtracted before training."""
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    """Channel standard deviations in [0, 1]."""
    train_counts: tuple[int, ...] = ()
    """Clean training samples per group: the weights of adjusted accuracy."""

    def __post_init__(self) -> None:
        check_names_of(self.name, self.classes, self.groups, tuple(self.tiers))

    @property
    def attributes(self) -> int:
        """A, the number of attribute values."""
        return len(self.groups) // len(self.classes)

    def reported_tiers(self) -> dict[str, tuple[int, ...]]:
        """Return `tiers`, and as `HRG same class` the groups of HRG with LRG-1's class alone.

        GEORGE clusters every class by itself: its rates in the paper's table 1 are possible where
        HRG means the groups of LRG-1's class.
        """
        tiers = {name: tuple(groups) for name, groups in self.tiers.items()}
        if "LRG-1" in tiers and "HRG" in tiers:
            classes = {group // self.attributes for group in tiers["LRG-1"]}
            tiers["HRG same class"] = tuple(
                g for g in tiers["HRG"] if g // self.attributes in classes
            )
        return tiers


@dataclass(frozen=True, slots=True)
class Batch:
    """B samples: x (B, 3, H, W) float32 normalised channels-last, y, group and index (B,) int64."""

    x: torch.Tensor
    y: torch.Tensor
    group: torch.Tensor
    index: torch.Tensor


@dataclass(frozen=True)
class GroupedDataset:
    """N samples as columns over a bank of M images (plus K extra images of an attack).

    Columns are (N,) arrays; `row` points into the bank (row < M) or into `extra` (row - M).
    """

    bank: torch.Tensor
    """(M, H, W, 3) uint8, in memory, memory-mapped or on a device; shared by all views."""
    row: Ints
    """Image of the sample: a position in `bank`, or M + a position in `extra`."""
    y: Ints
    """Class of the sample, as the training sees it."""
    group: Ints
    """Group of the sample; for a poison, the group of its clean base."""
    poison: Bools
    """Whether the sample is a poison."""
    index: Ints
    """Identity within the split: clean samples 0..N-1 in file order; appended poisons follow."""
    info: GroupInfo
    """What the numbers in the columns mean."""
    extra: torch.Tensor | None = None
    """(K, H, W, 3) uint8 images made by an attack."""

    @classmethod
    def clean(
        cls, bank: torch.Tensor, row: Ints, y: Ints, group: Ints, info: GroupInfo
    ) -> "GroupedDataset":
        """Build an unpoisoned split.

        Args:
            bank: Images, (M, H, W, 3) uint8.
            row: Image of each sample, positions in the bank, (N,).
            y: Class of each sample, (N,).
            group: Group of each sample, (N,).
            info: What the numbers mean.

        Returns:
            N clean samples with the identities 0..N-1.

        Raises:
            FedgroupError: where the columns differ in length, a group does not exist, or a sample
                is in a group of another class.
        """
        n = len(row)
        if not len(y) == len(group) == n:
            raise FedgroupError(
                f"columns of {n}, {len(y)} and {len(group)} samples do not fit together"
            )
        if n and (int(group.min()) < 0 or int(group.max()) >= len(info.groups)):
            raise FedgroupError(
                f"{info.name}: group ids must be 0..{len(info.groups) - 1}, "
                f"found {group.min()}..{group.max()}"
            )
        odd = np.flatnonzero(np.asarray(group) // info.attributes != np.asarray(y))
        if len(odd):
            raise FedgroupError(
                f"{info.name}: sample {odd[0]} has class {y[odd[0]]} and group {group[odd[0]]}, "
                f"and {len(odd) - 1} more do not fit: a group is {info.attributes}*y + a"
            )
        return cls(
            bank=bank,
            row=np.asarray(row, np.int64),
            y=np.asarray(y, np.int64),
            group=np.asarray(group, np.int64),
            poison=np.zeros(n, np.bool_),
            index=np.arange(n, dtype=np.int64),
            info=info,
        )

    def __len__(self) -> int:
        return len(self.row)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""
        return int(self.bank.shape[1]), int(self.bank.shape[2])

    def take(self, positions: Ints) -> "GroupedDataset":
        """Return the view of the samples at `positions` (n,), in that order, with repeats."""
        positions = np.asarray(positions, np.int64)
        return replace(
            self,
            row=self.row[positions],
            y=self.y[positions],
            group=self.group[positions],
            poison=self.poison[positions],
            index=self.index[positions],
        )

    def keep(self, mask: Bools) -> "GroupedDataset":
        """Return the view of the samples where `mask` (N,) is true, order kept."""
        return self.take(np.flatnonzero(mask))

    def repeat(self, mask: Bools, times: int) -> "GroupedDataset":
        """Return the view with the samples of `mask` (N,) appended `times` more times.

        The repeats follow block after block, each in the order of the data (JTT's list).
        """
        extra = np.tile(np.flatnonzero(mask), times)
        return self.take(np.concatenate([np.arange(len(self), dtype=np.int64), extra]))

    def group_counts(self) -> Ints:
        """Return the clean samples per group, (G,); poisons are not counted."""
        return np.bincount(self.group[~self.poison], minlength=len(self.info.groups)).astype(
            np.int64
        )

    def pixels(self, positions: Ints) -> torch.Tensor:
        """Return the images at `positions` (B,) as uint8 (B, H, W, 3), on the bank's device."""
        rows = torch.from_numpy(self.row[positions])
        if self.extra is None:
            return self.bank.index_select(0, rows.to(self.bank.device))
        rows = rows.to(self.bank.device)
        base = len(self.bank)
        images = self.bank.index_select(0, rows.clamp(max=base - 1))
        own = rows >= base
        images[own] = self.extra.to(images.device).index_select(0, rows[own] - base)
        return images

    def batch(self, positions: Ints, device: torch.device | str = "cpu") -> Batch:
        """Return the samples at `positions` (B,), normalised by the data set's mean and std."""
        images = self.pixels(positions).to(device, non_blocking=True)
        scale, shift = normaliser(self.info, images.device)
        # (B, H, W, 3) permuted to (B, 3, H, W) is already in channels-last memory order
        x = images.to(torch.float32).mul_(scale).sub_(shift).permute(0, 3, 1, 2)
        return Batch(
            x,
            torch.from_numpy(self.y[positions]).to(device),
            torch.from_numpy(self.group[positions]).to(device),
            torch.from_numpy(self.index[positions]).to(device),
        )

    def to(self, device: torch.device | str) -> "GroupedDataset":
        """Return the same view with its images on `device`, copied unless they are there."""
        extra = None if self.extra is None else self.extra.to(device)
        return replace(self, bank=self.bank.to(device), extra=extra)


def normaliser(info: GroupInfo, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scale and shift, (3,) float32: x * scale - shift = (x / 255 - mean) / std."""
    std = torch.tensor(info.std, dtype=torch.float32)
    mean = torch.tensor(info.mean, dtype=torch.float32)
    return (1.0 / (255.0 * std)).to(device), (mean / std).to(device)


class Splits(NamedTuple):
    """The three parts of a data set; `val` selects, `test` reports."""

    train: GroupedDataset
    val: GroupedDataset
    test: GroupedDataset


class Dataset(Component, Protocol):
    """A data set component: a frozen dataclass of settings with one method."""

    def load(self) -> Splits:
        """Read (or generate) the three splits.

        Raises:
            FedgroupError: where it cannot, with the remedy.
        """
        ...
