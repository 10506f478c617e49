"""Metadata files in their many dialects, as columns of strings; and the checks all loaders share."""

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError

Columns = dict[str, list[str]]
SPLITS = {"train": 0, "val": 1, "valid": 1, "validation": 1, "test": 2, "0": 0, "1": 1, "2": 2}


def read_csv(path: Path) -> Columns:
    """Columns of a comma- or whitespace-separated file with a header line; rows must be complete."""
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
    """Refuse a file that lacks a column."""
    missing = [name for name in names if name not in columns]
    if missing:
        found = ", ".join(name or "(unnamed)" for name in list(columns)[:12])
        raise FedgroupError(f"{path} lacks the column(s) {', '.join(missing)}; it has {found}")


def integers(columns: Columns, name: str, valid: Sequence[int], path: Path) -> Ints:
    """A column as int64; refuses anything but the valid values, naming the line."""
    allowed = {str(value): value for value in valid}
    out = np.empty(len(columns[name]), np.int64)
    for i, text in enumerate(columns[name]):
        if text not in allowed:
            raise FedgroupError(
                f"{path}, line {i + 2}: {name} is '{text}', expected one of {', '.join(allowed)}"
            )
        out[i] = allowed[text]
    return out


def splits(columns: Columns, name: str, path: Path) -> Ints:
    """A split column (0/1/2 or words) as int64."""
    out = np.empty(len(columns[name]), np.int64)
    for i, text in enumerate(columns[name]):
        code = SPLITS.get(text.lower())
        if code is None:
            raise FedgroupError(
                f"{path}, line {i + 2}: {name} is '{text}', expected 0, 1, 2 or train, val, test"
            )
        out[i] = code
    return out


def unique(values: Sequence[str], what: str, path: Path) -> None:
    """Refuse a name that occurs twice."""
    seen = set()
    for value in values:
        if value in seen:
            raise FedgroupError(f"{path}: {what} '{value}' occurs twice")
        seen.add(value)


def counts(group: Ints, split: Ints, groups: int) -> dict[str, tuple[int, ...]]:
    """Samples per group of each split."""
    return {
        name: tuple(int(n) for n in np.bincount(group[split == code], minlength=groups))
        for code, name in enumerate(("train", "val", "test"))
    }


def check_counts(
    name: str,
    found: Mapping[str, tuple[int, ...]],
    expected: Mapping[str, tuple[int, ...]],
    variants: Mapping[str, Mapping[str, tuple[int, ...]]],
    allow_variant: bool,
) -> None:
    """Group counts are the checksum of a data set; other counts are refused unless allowed."""
    if found == dict(expected) or allow_variant:
        return
    hint = next(
        (f" These are the counts of {why}." for why, v in variants.items() if dict(v) == found), ""
    )
    raise FedgroupError(
        f"{name}: group counts {_show(found)} are not the official {_show(expected)}.{hint} "
        f"Fetch the official files, or accept these with task.data.allow_variant=true"
    )


def _show(counted: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(
        f"{split} {'/'.join(str(n) for n in values)}" for split, values in counted.items()
    )


def file_hash(*paths: Path) -> str:
    """10 hex digits of the content of small files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:10]
