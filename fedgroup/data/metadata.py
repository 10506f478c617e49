"""Metadata files as columns of strings, and the checks that all loaders share."""

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError

Columns = dict[str, list[str]]
"""Values of each column, by name, as they stand in the file."""
SPLITS = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2, "0": 0, "1": 1, "2": 2}
"""What a split column may hold: 0 train, 1 val, 2 test."""


def read_csv(path: Path) -> Columns:
    """Read a comma- or whitespace-separated file with a header line; refuse incomplete rows."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FedgroupError(f"cannot read {path} ({error})") from error
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise FedgroupError(f"{path} is empty")
    rows = list(csv.reader(lines)) if "," in lines[0] else [line.split() for line in lines]
    head, body = [name.strip() for name in rows[0]], rows[1:]
    for number, row in enumerate(body, 2):
        if len(row) != len(head):
            raise FedgroupError(f"{path}, line {number}: {len(row)} values for {len(head)} columns")
    return {name: [row[i].strip() for row in body] for i, name in enumerate(head)}


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
                f"{path}, line {i + 2}: {name} is '{text}', expected one of {', '.join(allowed)}"
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
                f"{path}, line {i + 2}: {name} is '{text}', expected 0, 1, 2 or train, val, test"
            )
        codes[i] = code
    return codes


def unique(values: Sequence[str], what: str, path: Path) -> None:
    """Refuse a name that occurs twice.

    Args:
        values: The names.
        what: What they name, for messages.
        path: The file, for messages.

    Raises:
        FedgroupError: A name occurs twice.
    """
    seen = set()
    for value in values:
        if value in seen:
            raise FedgroupError(f"{path}: {what} '{value}' occurs twice")
        seen.add(value)


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
