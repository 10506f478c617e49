"""folder: your own data without code. images/ and metadata.csv with the columns file, y, a, split.

Classes and attribute values are whole numbers or words (sorted, they become ids). The smallest
group of the training split is LRG-1; other groups below a tenth of that split are LRG-2; the rest
is HRG.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fedgroup.data.decoding import squash
from fedgroup.data.image_bank import Progress, no_progress
from fedgroup.data.label_column import label_ids
from fedgroup.data.listing import DECODER_VERSION, Listing, check_size, load_bank
from fedgroup.data.metadata import counts, need, splits, unique
from fedgroup.data.metadata_text import read_csv, warn_once
from fedgroup.dataset import GroupInfo, Splits
from fedgroup.errors import FedgroupError

SMALL = 0.1
"""Groups below this share of the training split are under-represented."""
MOST_GROUPS = 10_000
"""More pairs of labels than this are a mistake."""


@dataclass(frozen=True)
class Folder:
    """Your own pictures: a folder with images/ and metadata.csv (file, y, a, split)."""

    place_settings: ClassVar[tuple[str, ...]] = ("root",)
    picture_version: ClassVar[int] = DECODER_VERSION

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
        unique(columns, "file", path)
        y, classes = label_ids(columns, "y", path)
        a, values = label_ids(columns, "a", path)
        split = splits(columns, "split", path)
        if len(classes) * len(values) > MOST_GROUPS:
            raise FedgroupError(
                f"{path} has {len(classes)} labels y and {len(values)} labels a, at most "
                f"{MOST_GROUPS} groups are possible: is one of them a measured number?"
            )
        group = y * len(values) + a
        names = tuple(f"{c}, {v}" for c in classes for v in values)
        sizes = counts(group, split, len(names))
        _check_groups(sizes, names, path)
        if len(classes) < 2:
            raise FedgroupError(
                f"{path} has a single class y = {classes[0]}: two or more are needed"
            )
        paths = [root / "images" / name for name in columns["file"]]
        listing = Listing(paths, y, group, split, "metadata.csv", [path])
        name = self.name or root.resolve().name or "folder"
        info = GroupInfo(name=name, classes=classes, groups=names, tiers=tiers(sizes["train"]))
        return listing, info

    def files(self) -> list[Path]:
        """Return the metadata and every picture that it lists."""
        return self.listing()[0].files()

    def load(self, progress: Progress = no_progress) -> Splits:
        """Map the bank, decoding it first where it is not cached."""
        listing, info = self.listing()
        _compare_with_disk(Path(self.root).expanduser())
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
    absent = [
        f"no {part} rows of {names[g]}"
        for part in ("val", "test")
        for g, n in enumerate(sizes["train"])
        if n and not sizes[part][g]
    ]
    if absent:
        more = f" and {len(absent) - 6} more" if len(absent) > 6 else ""
        warn_once(f"{path}: {'; '.join(absent[:6])}{more}: worst-group accuracy leaves them out")


def _compare_with_disk(root: Path) -> None:
    """Refuse a row whose picture is not there; warn of pictures that no row lists."""
    path, images = root / "metadata.csv", root / "images"
    columns = read_csv(path)
    start = len(f"{images}/")
    there = {
        f"{folder}/{name}"[start:]
        for folder, _, names in os.walk(images)
        for name in names
        if not name.startswith(".")
    }
    listed = [os.path.normpath(name) for name in columns["file"]]
    gone = [
        i for i, name in enumerate(listed) if name not in there and not (images / name).exists()
    ]
    if gone:
        few = ", ".join(f"{images / listed[i]} (line {columns.lines[i]})" for i in gone[:3])
        raise FedgroupError(
            f"{path}: {len(gone)} of {len(listed)} images are missing, e.g. {few}: put them "
            f"there, or remove their rows"
        )
    left = sorted(there - set(listed))
    if left:
        warn_once(f"{images}: {len(left)} files are in no row of {path.name}, e.g. {left[0]}")


def tiers(train: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Return the tiers by training count; empty groups are in none."""
    present = [g for g, n in enumerate(train) if n]
    least = min(present, key=lambda g: train[g])
    low = tuple(g for g in present if g != least and train[g] < SMALL * sum(train))
    high = tuple(g for g in present if g != least and g not in low)
    all_tiers = {"LRG-1": (least,), "LRG-2": low, "HRG": high}
    return {name: groups for name, groups in all_tiers.items() if groups}
