"""folder: your own data without code. images/ and metadata.csv with the columns file, y, a, split.

Classes and attribute values are whole numbers or words (sorted, they become ids). The smallest
group of the training split is LRG-1; other groups below a tenth of that split are LRG-2; the rest
is HRG. The bank is kept by metadata and place: after exchanging pictures under the same names,
delete it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedgroup.data.decoding import place_hash, squash
from fedgroup.data.image_bank import Progress, no_progress
from fedgroup.data.listing import Listing, check_size, load_bank
from fedgroup.data.metadata import counts, file_hash, need, read_csv, splits, unique
from fedgroup.dataset import GroupInfo, Ints, Splits
from fedgroup.errors import FedgroupError

SMALL = 0.1
"""Groups below this share of the training split are under-represented."""


@dataclass(frozen=True)
class Folder:
    """Your own pictures: a folder with images/ and metadata.csv (file, y, a, split)."""

    root: str = ""
    """The folder."""
    size: int = 64
    """Pictures are resized to size x size."""
    name: str = ""
    """Name in reports; default: the folder's own."""

    def __post_init__(self) -> None:
        check_size("folder", self.size)
        if self.name and not re.fullmatch(r"[\w][\w .-]*", self.name):
            raise FedgroupError(
                f"folder: name must be letters, digits, space, '-', '_', '.': '{self.name}'"
            )

    def listing(self) -> tuple[Listing, GroupInfo]:
        """Read and check the metadata; open no picture."""
        if not self.root:
            raise FedgroupError(
                "data set folder needs the folder of metadata.csv: --data folder --root FOLDER"
            )
        root = Path(self.root).expanduser()
        path = root / "metadata.csv"
        columns = read_csv(path)
        need(columns, ("file", "y", "a", "split"), path)
        unique(columns["file"], "file", path)
        y, classes = _ids(columns["y"], "y", path)
        a, values = _ids(columns["a"], "a", path)
        split = splits(columns, "split", path)
        group = y * len(values) + a
        names = tuple(f"{c}, {v}" for c in classes for v in values)
        sizes = counts(group, split, len(names))
        _check_groups(sizes, names, path)
        if len(classes) < 2:
            raise FedgroupError(
                f"{path} has a single class y = {classes[0]}: two or more are needed"
            )
        paths = [root / "images" / name for name in columns["file"]]
        key = f"{file_hash(path)}-{place_hash(root)}"
        listing = Listing(paths, y, group, split, "metadata.csv", key)
        name = self.name or root.resolve().name or "folder"
        info = GroupInfo(name=name, classes=classes, groups=names, tiers=tiers(sizes["train"]))
        return listing, info

    def load(self, progress: Progress = no_progress) -> Splits:
        """Map the bank, decoding it first where it is not cached."""
        listing, info = self.listing()
        return load_bank(listing, info, self.size, squash(self.size), "folder", progress)


def _check_groups(sizes: Mapping[str, tuple[int, ...]], names: Sequence[str], path: Path) -> None:
    """Refuse a split without rows, and groups of val or test that the training split lacks."""
    for part, rows in sizes.items():
        if not sum(rows):
            raise FedgroupError(f"{path} has no rows of split {part}")
    unseen = [
        names[g]
        for g, n in enumerate(sizes["train"])
        if not n and sizes["val"][g] + sizes["test"][g]
    ]
    if unseen:
        raise FedgroupError(
            f"{path}: no training rows of group {'; '.join(unseen[:3])}, which val or test holds: "
            f"add some to split train, or leave the group out"
        )


def _ids(values: list[str], column: str, path: Path) -> tuple[Ints, tuple[str, ...]]:
    """Return a column as ids and the names they stand for; numbers sort as numbers (01 is 1)."""
    if "" in values:
        raise FedgroupError(f"{path}, line {values.index('') + 2}: {column} is empty")
    if all(re.fullmatch("-?[0-9]+", value) for value in set(values)):
        values = [str(int(value)) for value in values]
        names = sorted(set(values), key=int)
    else:
        names = sorted(set(values))
    place = {name: i for i, name in enumerate(names)}
    return np.array([place[value] for value in values], np.int64), tuple(names)


def tiers(train: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Return the tiers by training count; empty groups are in none."""
    present = [g for g, n in enumerate(train) if n]
    least = min(present, key=lambda g: train[g])
    low = tuple(g for g in present if g != least and train[g] < SMALL * sum(train))
    high = tuple(g for g in present if g != least and g not in low)
    all_tiers = {"LRG-1": (least,), "LRG-2": low, "HRG": high}
    return {name: groups for name, groups in all_tiers.items() if groups}
