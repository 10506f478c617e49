"""CelebA's metadata in its dialects: the same 202,599 faces, with their attributes in other files.

Files are joined on the image name, never by line.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from fedgroup.data.metadata import integers, need, splits, unique
from fedgroup.data.metadata_text import Columns, first_line, read_text
from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError

ATTRIBUTES = ("image_id", "Blond_Hair", "Male")
PARTS = ("image_id", "partition")
Table = tuple[list[str], Ints, Ints, Ints]
"""Image names, y, a and split, in file order."""


def is_celeba(path: Path) -> bool:
    """Return whether a file is CelebA's: other data sets have a metadata.csv too."""
    if path.name != "metadata.csv":
        return True
    return "Blond_Hair" in first_line(path)


def _binary(columns: Columns, name: str, path: Path) -> Ints:
    """Return an attribute as 0 or 1; -1 on disk means 0."""
    ones: Ints = (integers(columns, name, (-1, 0, 1), path) == 1).astype(np.int64)
    return ones


def _pick(
    lines: Sequence[str],
    at: int,
    head: Sequence[str],
    sep: str | None,
    names: Sequence[str],
    path: Path,
) -> Columns:
    """Return the columns `names` of the rows lines[at:]; all 40 attributes would fill 700 MB."""
    if len(set(head)) < len(head):
        raise FedgroupError(f"{path}, line {at or 1}: two columns have one name: remove one")
    picked = Columns({name: [] for name in head}, [])
    need(picked, names, path)
    place = [(name, head.index(name)) for name in names]
    for number, line in enumerate(lines[at:], at + 1):
        if not line.strip():
            continue
        row = line.split(sep)
        if len(row) != len(head):
            raise FedgroupError(f"{path}, line {number}: {len(row)} values for {len(head)} columns")
        picked.lines.append(number)
        for name, i in place:
            picked[name].append(row[i].strip())
    return picked


def _csv_columns(path: Path, names: Sequence[str]) -> Columns:
    """Return columns of a comma- or space-separated file with a header line."""
    lines = read_text(path).split("\n")
    if not lines or not lines[0].strip():
        raise FedgroupError(f"{path} is empty or starts with an empty line")
    sep = "," if "," in lines[0] else None
    head = [name.strip() for name in lines[0].split(sep)]
    return _pick(lines, 1, head, sep, names, path)


def _official(folder: Path) -> Table:
    """Read the original text files: a count, the attributes' names, rows; splits without header."""
    path, where = folder / "list_attr_celeba.txt", folder / "list_eval_partition.txt"
    lines = read_text(path).split("\n")
    if len(lines) < 3 or not re.fullmatch("[0-9]+", lines[0].strip()):
        raise FedgroupError(
            f"{path} does not start with the number of images: is it the original file?"
        )
    columns = _pick(lines, 2, ["image_id", *lines[1].split()], None, ATTRIBUTES, path)
    listed = len(columns["image_id"])
    if listed != int(lines[0]):
        raise FedgroupError(
            f"{path} announces {lines[0].strip()} images but lists {listed}: truncated?"
        )
    return _joined(
        columns, path, _pick(read_text(where).split("\n"), 0, PARTS, None, PARTS, where), where
    )


def _csv(folder: Path) -> Table:
    """Read Kaggle's comma-separated files, or GEORGE's space-separated ones, with header lines."""
    path, where = folder / "list_attr_celeba.csv", folder / "list_eval_partition.csv"
    return _joined(_csv_columns(path, ATTRIBUTES), path, _csv_columns(where, PARTS), where)


def _joined(columns: Columns, path: Path, parts: Columns, where: Path) -> Table:
    """Join attributes and splits on the image name."""
    unique(columns, "image_id", path)
    unique(parts, "image_id", where)
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
    """Read JTT's metadata.csv: all attributes and the split in one file."""
    path = folder / "metadata.csv"
    columns = _csv_columns(path, (*ATTRIBUTES, "split"))
    unique(columns, "image_id", path)
    return (
        columns["image_id"],
        _binary(columns, "Blond_Hair", path),
        _binary(columns, "Male", path),
        splits(columns, "split", path),
    )


def _short(folder: Path) -> Table:
    """Read SubpopBench's metadata_celeba.csv: id, filename, split, y, a."""
    path = folder / "metadata_celeba.csv"
    columns = _csv_columns(path, ("filename", "split", "y", "a"))
    columns["filename"] = [Path(name).name for name in columns["filename"]]
    unique(columns, "filename", path)
    return (
        columns["filename"],
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
"""Name of each dialect, its files, and what reads them from their folder."""
