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

from fedgroup.device import holds
from fedgroup.errors import FedgroupError

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class GroupInfo:
    """What the numbers in a data set's columns mean."""

    name: str
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

    @property
    def attributes(self) -> int:
        """A, the number of attribute values per class."""
        return len(self.groups) // len(self.classes)

    def reported_tiers(self) -> dict[str, tuple[int, ...]]:
        """`tiers`, and as `HRG same class` the highly represented groups of LRG-1's class alone.

        Under that reading GEORGE's rates in the paper are possible (spec group_methods 2.7).
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
    y: Ints
    group: Ints
    """Group of the sample; for a poison, the group of its clean base."""
    poison: Bools
    index: Ints
    """Stable identity within the split: clean samples 0..N-1 in file order; appended poisons follow."""
    info: GroupInfo
    extra: torch.Tensor | None = None
    """(K, H, W, 3) uint8 images made by an attack."""

    @classmethod
    def clean(
        cls, bank: torch.Tensor, row: Ints, y: Ints, group: Ints, info: GroupInfo
    ) -> "GroupedDataset":
        """Build an unpoisoned split over `bank`; refuses columns that do not fit each other."""
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
        """View of the samples at `positions` (repeats allowed), in that order."""
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
        """View of the samples where `mask` (N,) is true, order kept."""
        return self.take(np.flatnonzero(mask))

    def repeat(self, mask: Bools, times: int) -> "GroupedDataset":
        """View with the masked samples appended `times` more times, block after block (JTT's list)."""
        extra = np.tile(np.flatnonzero(mask), times)
        return self.take(np.concatenate([np.arange(len(self), dtype=np.int64), extra]))

    def group_counts(self) -> Ints:
        """Clean samples per group, shape (G,); poisons are not counted."""
        return np.bincount(self.group[~self.poison], minlength=len(self.info.groups)).astype(
            np.int64
        )

    def pixels(self, positions: Ints) -> torch.Tensor:
        """Images at `positions` as uint8 (B, H, W, 3), on the bank's device."""
        rows = torch.from_numpy(self.row[positions])
        if self.extra is None:
            return self.bank.index_select(0, rows.to(self.bank.device))
        rows = rows.to(self.bank.device)
        base = len(self.bank)
        images = self.bank.index_select(0, rows.clamp(max=base - 1))
        made = rows >= base
        images[made] = self.extra.to(images.device).index_select(0, rows[made] - base)
        return images

    def batch(self, positions: Ints, device: torch.device | str = "cpu") -> Batch:
        """Samples at `positions`, normalised by the data set's mean and std, on `device`."""
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
        """The same view with its images on `device` (one copy of the bank; a no-op where it already is)."""
        extra = None if self.extra is None else self.extra.to(device)
        return replace(self, bank=self.bank.to(device), extra=extra)


def normaliser(info: GroupInfo, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Scale and shift (3,) float32 with x * scale - shift = (x / 255 - mean) / std."""
    std = torch.tensor(info.std, dtype=torch.float32)
    mean = torch.tensor(info.mean, dtype=torch.float32)
    return (1.0 / (255.0 * std)).to(device), (mean / std).to(device)


class Splits(NamedTuple):
    """The three parts of a data set; `val` selects, `test` reports."""

    train: GroupedDataset
    val: GroupedDataset
    test: GroupedDataset


def _images(splits: Splits) -> dict[int, torch.Tensor]:
    """The banks and extra images behind the splits by id(): one that several splits share is there once."""
    held = (
        tensor for split in splits for tensor in (split.bank, split.extra) if tensor is not None
    )
    return {id(tensor): tensor for tensor in held}


def image_bytes(splits: Splits) -> int:
    """Bytes of all images behind the splits, shared ones counted once."""
    return sum(tensor.nbytes for tensor in _images(splits).values())


def place(splits: Splits, device: torch.device) -> Splits:
    """The splits with their images on `device` where it holds them all; each bank is moved once."""
    if not holds(device, image_bytes(splits)):
        return splits
    moved = {key: tensor.to(device) for key, tensor in _images(splits).items()}
    return Splits(
        *(
            replace(part, bank=moved[id(part.bank)], extra=moved.get(id(part.extra)))
            for part in splits
        )
    )


class Dataset(Protocol):
    """A data set component: a frozen dataclass of settings with one method."""

    def load(self) -> Splits:
        """Read (or generate) the three splits; raises FedgroupError with the remedy when it cannot."""
        ...
