"""CelebA (Liu et al., ICCV 2015): blond or not (y) by gender (a), g = 2y + Male; LRG-1: blond men.

The group counts are the checksum of the metadata files, which come in several dialects.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from fedgroup.data.celeba_files import DIALECTS, Table, is_celeba
from fedgroup.data.decoding import crop_and_resize
from fedgroup.data.image_bank import Progress, no_progress
from fedgroup.data.listing import (
    DECODER_VERSION,
    Listing,
    check_size,
    load_bank,
    places,
    subfolders,
)
from fedgroup.data.metadata import check_counts, counts
from fedgroup.dataset import GroupInfo, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.seeding import rng

INFO = GroupInfo(
    name="celeba",
    classes=("not blond", "blond"),
    groups=("not blond, female", "not blond, male", "blond, female", "blond, male"),
    tiers={"LRG-1": (3,), "HRG": (0, 1, 2)},
)
COUNTS = {
    "train": (71629, 66874, 22880, 1387),
    "val": (8535, 8276, 2874, 182),
    "test": (9767, 7535, 2480, 180),
}
FOLDERS = ("celeba", "celebA", "CelebA", "celebA/data", "data")
"""Subfolders in which the metadata may lie."""
IMAGES = ("img_align_celeba/img_align_celeba", "img_align_celeba")
"""Subfolders in which the pictures may lie."""


@dataclass(frozen=True)
class CelebA:
    """Faces, blond or not, by gender: 162,770 for training; official files needed."""

    place_settings: ClassVar[tuple[str, ...]] = ("root",)
    picture_version: ClassVar[int] = DECODER_VERSION

    root: str = ""
    """Folder of the files, or its parent; default: $FEDGROUP_DATA, ./data, the cache."""
    size: int = 224
    """Image size after the central 178-pixel square is cut out."""
    fraction: float = 1.0
    """Share of the training split that is kept (the paper's section 4 uses 0.1); val and test stay
    whole."""
    subset_seed: int = 0
    """Seed of that draw."""
    allow_variant: bool = False
    """Accept files whose group counts are not the official ones."""

    def __post_init__(self) -> None:
        check_size("celeba", self.size)
        if not 0 < self.fraction <= 1:
            raise FedgroupError(f"celeba: fraction must lie in (0, 1], got {self.fraction}")

    def listing(self) -> Listing:
        """Read and check the metadata; open no picture."""
        folder, dialect, read, files = self._find()
        names, y, a, split = read(folder)
        group = 2 * y + a
        check_counts("celeba", counts(group, split, 4), COUNTS, {}, self.allow_variant)
        images = next(
            (folder / sub for sub in IMAGES if (folder / sub).is_dir()), folder / IMAGES[-1]
        )
        paths = [images / name for name in names]
        whole = Listing(paths, y, group, split, f"{dialect} in {folder}", files)
        return whole.take(self._kept(split))

    def load(self, progress: Progress = no_progress) -> Splits:
        """Map the bank, decoding it first where it is not cached."""
        tag = "all" if self.fraction == 1 else f"{self.fraction!r}s{self.subset_seed}"
        return load_bank(
            self.listing(), INFO, self.size, crop_and_resize(178, self.size), tag, progress
        )

    def files(self) -> list[Path]:
        """Return the metadata and every picture that is kept."""
        return self.listing().files()

    def _kept(self, split: Ints) -> Ints:
        """Return the positions kept: floor(fraction * n) training samples, and all others."""
        train = np.flatnonzero(split == 0)
        count = int(self.fraction * len(train) + 1e-9)
        if count == 0:
            raise FedgroupError(
                f"celeba: {self.fraction:g} of {len(train)} training images is none"
            )
        if count < len(train):
            train = rng(self.subset_seed, "celeba", "subset").choice(train, count, replace=False)
        return np.sort(np.concatenate([train, np.flatnonzero(split != 0)]))

    def _find(self) -> tuple[Path, str, Callable[[Path], Table], list[Path]]:
        """Return the folder of the metadata, its dialect, what reads it, and its files."""
        looked = places(self.root, "celeba")
        for place in looked:
            for folder in subfolders(place, FOLDERS):
                for dialect, files, read in DIALECTS:
                    paths = [folder / name for name in files]
                    if all(path.is_file() for path in paths) and is_celeba(paths[0]):
                        return folder, dialect, read, paths
        wanted = "; or ".join(" and ".join(files) for _, files, _ in DIALECTS)
        raise FedgroupError(
            f"celeba: no attribute files in {', '.join(str(p) for p in looked)} or their "
            f"subfolders (wanted {wanted}): see `fedgroup data prepare celeba`, "
            f"or give the folder with --data celeba --root"
        )
