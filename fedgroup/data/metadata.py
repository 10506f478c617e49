"""Columns of metadata as numbers, and the checks that all loaders share."""

import hashlib
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from fedgroup.data.metadata_text import Columns
from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError

SPLITS = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2, "0": 0, "1": 1, "2": 2}
"""What a split column may hold: 0 train, 1 val, 2 test."""


def need(columns: Columns, names: Iterable[str], path: Path) -> None:
    """Refuse a file that lacks a column.

    Args:
        columns: What the file has.
        names: What it needs.
        path: The file, for messages.

    Raises:
        FedgroupError: A column is missing.
    """
    missing = [name for name in names if name not in columns]
    if missing:
        present = ", ".join(name or "(unnamed)" for name in list(columns)[:12])
        raise FedgroupError(f"{path} lacks the column(s) {', '.join(missing)}; it has {present}")


def integers(columns: Columns, name: str, valid: Sequence[int], path: Path) -> Ints:
    """Convert a column to whole numbers.

    Args:
        columns: Columns of the file.
        name: Which of them.
        valid: The values that may occur.
        path: The file, for messages.

    Returns:
        (M,) int64.

    Raises:
        FedgroupError: Another value occurs; the message names the line.
    """
    allowed = {str(value): value for value in valid}
    values = np.empty(len(columns[name]), np.int64)
    for i, text in enumerate(columns[name]):
        if text not in allowed:
            raise FedgroupError(
                f"{path}, line {columns.lines[i]}: {name} is '{text}', expected one of "
                f"{', '.join(allowed)}"
            )
        values[i] = allowed[text]
    return values


def splits(columns: Columns, name: str, path: Path) -> Ints:
    """Convert a split column, of 0/1/2 or words, to whole numbers.

    Args:
        columns: Columns of the file.
        name: Which of them.
        path: The file, for messages.

    Returns:
        (M,) int64: 0 train, 1 val, 2 test.

    Raises:
        FedgroupError: Another value occurs; the message names the line.
    """
    codes = np.empty(len(columns[name]), np.int64)
    for i, text in enumerate(columns[name]):
        code = SPLITS.get(text.lower())
        if code is None:
            raise FedgroupError(
                f"{path}, line {columns.lines[i]}: {name} is '{text}', expected 0, 1, 2 or "
                f"train, val, test"
            )
        codes[i] = code
    return codes


def unique(columns: Columns, name: str, path: Path) -> None:
    """Refuse a column with an empty value, or with one that occurs twice.

    Args:
        columns: Columns of the file.
        name: Which of them; it holds the names of files.
        path: The file, for messages.

    Raises:
        FedgroupError: There is such a value; the message names the line.
    """
    seen: dict[str, int] = {}
    for line, value in zip(columns.lines, columns[name], strict=True):
        if not value:
            raise FedgroupError(f"{path}, line {line}: {name} is empty: write the file's name")
        # a.png and ./a.png are one picture
        place = posixpath.normpath(value) if "/" in value else value
        if place in seen:
            raise FedgroupError(
                f"{path}, line {line}: {name} '{value}' occurs twice, first in line "
                f"{seen[place]}: remove one row"
            )
        seen[place] = line


def counts(group: Ints, split: Ints, groups: int) -> dict[str, tuple[int, ...]]:
    """Count the samples per group of each split.

    Args:
        group: (M,) int64.
        split: (M,) int64: 0 train, 1 val, 2 test.
        groups: G, the number of groups.

    Returns:
        G counts by split name.
    """
    return {
        name: tuple(int(n) for n in np.bincount(group[split == code], minlength=groups))
        for code, name in enumerate(("train", "val", "test"))
    }


def check_counts(
    name: str,
    actual: Mapping[str, tuple[int, ...]],
    expected: Mapping[str, tuple[int, ...]],
    variants: Mapping[str, Mapping[str, tuple[int, ...]]],
    allow_variant: bool,
) -> None:
    """Refuse group counts that are not the official ones: they are a data set's checksum.

    Args:
        name: The data set.
        actual: Counts per group by split name.
        expected: The official ones.
        variants: Other counts that circulate, by what they are.
        allow_variant: Whether other counts are accepted.

    Raises:
        FedgroupError: The counts are others.
    """
    if actual == dict(expected) or allow_variant:
        return
    hint = next(
        (f" These are the counts of {why}." for why, v in variants.items() if dict(v) == actual), ""
    )
    raise FedgroupError(
        f"{name}: group counts {_show(actual)} are not the official {_show(expected)}.{hint} "
        f"Fetch the official files, or accept these with task.data.allow_variant=true"
    )


def _show(counted: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(
        f"{split} {'/'.join(str(n) for n in values)}" for split, values in counted.items()
    )


def file_hash(*paths: Path) -> str:
    """Return 10 hex digits of the content of small files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:10]
