"""CelebA (Liu et al., 2015), blond or not (y) by gender (a): g = 2y + Male, LRG-1 is blond men.

The same 202,599 faces come with their attributes in five dialects; files are joined on the image name,
never by line, and the group counts are the checksum.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedgroup.data.decoding import crop_and_resize, place_hash
from fedgroup.data.image_bank import Progress, no_progress
from fedgroup.data.listing import Listing, check_size, load_bank, places, subfolders
from fedgroup.data.metadata import (
    Columns,
    check_counts,
    counts,
    file_hash,
    integers,
    need,
    splits,
    unique,
)
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
IMAGES = ("img_align_celeba/img_align_celeba", "img_align_celeba")
ATTRIBUTES = ("image_id", "Blond_Hair", "Male")
PARTS = ("image_id", "partition")
Table = tuple[list[str], Ints, Ints, Ints]
"""Image names, y, a and split, in file order."""


@dataclass(frozen=True)
class CelebA:
    """Faces, blond or not, by gender: 162,770 for training; official files needed."""

    root: str = ""
    """Folder of the files, or its parent; default: $FEDGROUP_DATA, ./data, the cache."""
    size: int = 224
    """Image size after the central 178-pixel square is cut out."""
    fraction: float = 1.0
    """Share of the training split that is kept (the paper's section 4 uses 0.1); val and test stay whole."""
    subset_seed: int = 0
    """Seed of that draw."""
    allow_variant: bool = False
    """Accept files whose group counts are not the official ones."""

    def __post_init__(self) -> None:
        check_size("celeba", self.size)
        if not 0 < self.fraction <= 1:
            raise FedgroupError(f"celeba: fraction must lie in (0, 1], got {self.fraction}")

    def listing(self) -> Listing:
        """Read and check the metadata; no picture is opened."""
        folder, dialect, read, files = self._find()
        names, y, a, split = read(folder)
        unique(names, "image", files[0])
        group = 2 * y + a
        check_counts("celeba", counts(group, split, 4), COUNTS, {}, self.allow_variant)
        images = next(
            (folder / sub for sub in IMAGES if (folder / sub).is_dir()), folder / IMAGES[-1]
        )
        paths = [images / name for name in names]
        key = f"{file_hash(*files)}-{place_hash(folder)}"
        whole = Listing(paths, y, group, split, f"{dialect} in {folder}", key)
        return whole.take(self._kept(split))

    def load(self, progress: Progress = no_progress) -> Splits:
        """Map the bank, decoding it first where it is not cached."""
        tag = "all" if self.fraction == 1 else f"{self.fraction!r}s{self.subset_seed}"
        return load_bank(
            self.listing(), INFO, self.size, crop_and_resize(178, self.size), tag, progress
        )

    def metadata_files(self) -> list[Path]:
        """The files that list the samples."""
        return self._find()[3]

    def _kept(self, split: Ints) -> Ints:
        """Positions kept: floor(fraction * n) seeded training samples, everything else."""
        train = np.flatnonzero(split == 0)
        kept = int(self.fraction * len(train) + 1e-9)
        if kept == 0:
            raise FedgroupError(
                f"celeba: {self.fraction:g} of {len(train)} training images is none"
            )
        if kept < len(train):
            train = rng(self.subset_seed, "celeba", "subset").choice(train, kept, replace=False)
        return np.sort(np.concatenate([train, np.flatnonzero(split != 0)]))

    def _find(self) -> tuple[Path, str, Callable[[Path], Table], list[Path]]:
        looked = places(self.root, "celeba")
        for place in looked:
            for folder in subfolders(place, FOLDERS):
                for dialect, files, read in DIALECTS:
                    paths = [folder / name for name in files]
                    if all(path.is_file() for path in paths) and _is_celeba(paths[0]):
                        return folder, dialect, read, paths
        wanted = "; or ".join(" and ".join(files) for _, files, _ in DIALECTS)
        raise FedgroupError(
            f"celeba: no attribute files in {', '.join(str(p) for p in looked)} or their subfolders (wanted "
            f"{wanted}): see `fedgroup data prepare celeba`, or give the folder with --data celeba --root"
        )


def _is_celeba(path: Path) -> bool:
    """True for CelebA's own file names; other data sets have a metadata.csv too."""
    if path.name != "metadata.csv":
        return True
    with path.open(encoding="utf-8", errors="replace") as file:
        return "Blond_Hair" in file.readline()


def _binary(columns: Columns, name: str, path: Path) -> Ints:
    """An attribute as 0/1; -1 on disk means 0."""
    ones: Ints = (integers(columns, name, (-1, 0, 1), path) == 1).astype(np.int64)
    return ones


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FedgroupError(f"cannot read {path} ({error})") from error


def _pick(
    lines: Sequence[str],
    at: int,
    head: Sequence[str],
    sep: str | None,
    names: Sequence[str],
    path: Path,
) -> Columns:
    """Columns `names` of the rows in lines[at:]. 40 attributes of 202,599 faces would fill 700 MB."""
    picked: Columns = {name: [] for name in head}
    need(picked, names, path)
    place = [(name, head.index(name)) for name in names]
    for number, line in enumerate(lines[at:], at + 1):
        if not line.strip():
            continue
        row = line.split(sep)
        if len(row) != len(head):
            raise FedgroupError(f"{path}, line {number}: {len(row)} values for {len(head)} columns")
        for name, i in place:
            picked[name].append(row[i].strip())
    return picked


def _csv_columns(path: Path, names: Sequence[str]) -> Columns:
    """Columns of a comma- or space-separated file with a header line."""
    lines = _lines(path)
    if not lines or not lines[0].strip():
        raise FedgroupError(f"{path} is empty or starts with an empty line")
    sep = "," if "," in lines[0] else None
    head = [name.strip() for name in lines[0].split(sep)]
    return _pick(lines, 1, head, sep, names, path)


def _official(folder: Path) -> Table:
    """Original text files: a count, the names of 40 attributes, rows; the split file has no header."""
    path, where = folder / "list_attr_celeba.txt", folder / "list_eval_partition.txt"
    lines = _lines(path)
    if len(lines) < 3 or not re.fullmatch("[0-9]+", lines[0].strip()):
        raise FedgroupError(
            f"{path} does not start with the number of images: is it the original file?"
        )
    columns = _pick(lines, 2, ["image_id", *lines[1].split()], None, ATTRIBUTES, path)
    found = len(columns["image_id"])
    if found != int(lines[0]):
        raise FedgroupError(
            f"{path} announces {lines[0].strip()} images but lists {found}: truncated?"
        )
    return _joined(columns, path, _pick(_lines(where), 0, PARTS, None, PARTS, where), where)


def _csv(folder: Path) -> Table:
    """Kaggle's comma-separated files, or GEORGE's space-separated ones: both have header lines."""
    path, where = folder / "list_attr_celeba.csv", folder / "list_eval_partition.csv"
    return _joined(_csv_columns(path, ATTRIBUTES), path, _csv_columns(where, PARTS), where)


def _joined(columns: Columns, path: Path, parts: Columns, where: Path) -> Table:
    unique(parts["image_id"], "image", where)
    code = dict(zip(parts["image_id"], splits(parts, "partition", where), strict=True))
    missing = [name for name in columns["image_id"] if name not in code]
    if missing:
        raise FedgroupError(
            f"{where} lacks {len(missing)} images of {path.name}, e.g. {missing[0]}"
        )
    split = np.array([code[name] for name in columns["image_id"]], np.int64)
    return (
        columns["image_id"],
        _binary(columns, "Blond_Hair", path),
        _binary(columns, "Male", path),
        split,
    )


def _merged(folder: Path) -> Table:
    """JTT's metadata.csv: all attributes and the split in one file."""
    path = folder / "metadata.csv"
    columns = _csv_columns(path, (*ATTRIBUTES, "split"))
    return (
        columns["image_id"],
        _binary(columns, "Blond_Hair", path),
        _binary(columns, "Male", path),
        splits(columns, "split", path),
    )


def _short(folder: Path) -> Table:
    """SubpopBench's metadata_celeba.csv: id, filename, split, y, a."""
    path = folder / "metadata_celeba.csv"
    columns = _csv_columns(path, ("filename", "split", "y", "a"))
    names = [Path(name).name for name in columns["filename"]]
    return (
        names,
        _binary(columns, "y", path),
        _binary(columns, "a", path),
        splits(columns, "split", path),
    )


DIALECTS: list[tuple[str, tuple[str, ...], Callable[[Path], Table]]] = [
    ("original text files", ("list_attr_celeba.txt", "list_eval_partition.txt"), _official),
    ("csv files", ("list_attr_celeba.csv", "list_eval_partition.csv"), _csv),
    ("merged metadata.csv", ("metadata.csv",), _merged),
    ("metadata_celeba.csv", ("metadata_celeba.csv",), _short),
]
