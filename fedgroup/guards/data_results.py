"""What data sets, attacks on samples and partitions give back, checked where it comes in."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fedgroup.dataset import GroupedDataset, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.guards.component_results import described, read_only

COLUMNS = ("row", "y", "group", "poison", "index")
"""Columns of a split."""


def locked(splits: Splits) -> Splits:
    """Return splits whose columns cannot be written to; their pictures are shared."""
    return Splits(*map(_locked, splits))


def _locked(split: GroupedDataset) -> GroupedDataset:
    return replace(
        split,
        row=read_only(split.row),
        y=read_only(split.y),
        group=read_only(split.group),
        poison=read_only(split.poison),
        index=read_only(split.index),
    )


def checked_splits(who: str, value: object) -> Splits:
    """Return the three splits that a data set or an attack gave back, locked."""
    if not isinstance(value, Splits):
        raise FedgroupError(f"{who} returned {described(value)}, expected Splits(train, val, test)")
    for name, split in zip(Splits._fields, value, strict=True):
        if not isinstance(split, GroupedDataset):
            raise FedgroupError(
                f"{who} returned {described(split)} as {name}, expected a GroupedDataset"
            )
        for column in COLUMNS:
            array, kind = getattr(split, column), np.bool_ if column == "poison" else np.int64
            wanted = f"({len(split)},) {np.dtype(kind)}"
            if not isinstance(array, np.ndarray) or described(array) != wanted:
                raise FedgroupError(
                    f"{who} returned {described(array)} as {column} of {name}, expected {wanted}"
                )
        if len(split):
            _check_ranges(who, name, split)
    return locked(value)


def _check_ranges(who: str, name: str, split: GroupedDataset) -> None:
    """Refuse labels, groups and rows that do not exist."""
    pictures = len(split.bank) + (0 if split.extra is None else len(split.extra))
    for column, limit in (
        ("y", len(split.info.classes)),
        ("group", len(split.info.groups)),
        ("row", pictures),
    ):
        values: Ints = getattr(split, column)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high >= limit:
            raise FedgroupError(
                f"{who} returned {column} {low}..{high} in {name}, expected 0..{limit - 1}"
            )


def checked_poisoned(who: str, value: object, clean: Splits, versions: Sequence[int]) -> Splits:
    """Return the splits that an attack gave back for clean ones.

    Args:
        who: Component and method.
        value: What it gave back.
        clean: The splits that it was given.
        versions: What `picture_versions` said of them before.

    Returns:
        The splits, locked.

    Raises:
        FedgroupError: Val or test is no longer clean, or a sample occurs twice.
    """
    if picture_versions(clean) != list(versions):
        raise FedgroupError(f"{who} wrote into the pictures that it was given: copy them first")
    splits = checked_splits(who, value)
    for name, before, now in zip(("val", "test"), clean[1:], splits[1:], strict=True):
        same = all(np.array_equal(getattr(before, c), getattr(now, c)) for c in COLUMNS)
        if not same or now.bank is not before.bank or now.extra is not before.extra:
            raise FedgroupError(f"{who} changed the {name} split: poison splits.train alone")
    if len(np.unique(splits.train.index)) < len(splits.train):
        raise FedgroupError(f"{who} returned a train split in which an index occurs twice")
    return splits


def picture_versions(splits: Splits) -> list[int]:
    """Return how often torch has written into the pictures of each split."""
    return [0 if split.bank.is_inference() else split.bank._version for split in splits]


def checked_counts(who: str, value: object, groups: int) -> Counts:
    """Return the counts per group that an attack gave back.

    Args:
        who: Component and method.
        value: What it gave back.
        groups: G, the number of groups.

    Returns:
        Whole numbers of G groups.

    Raises:
        FedgroupError: They are something else.
    """
    if not isinstance(value, Counts):
        raise FedgroupError(f"{who} returned {described(value)}, expected Counts(correct, total)")
    whole = all(
        isinstance(n, int | np.integer) and not isinstance(n, bool)
        for n in (*value.correct, *value.total)
    )
    if not whole or len(value.correct) != groups or len(value.total) != groups:
        raise FedgroupError(
            f"{who} returned counts {value.correct} of {value.total}, expected whole numbers of "
            f"{groups} groups"
        )
    return Counts(tuple(int(n) for n in value.correct), tuple(int(n) for n in value.total))


def checked_parts(who: str, value: object) -> Sequence[Ints]:
    """Return the shards that a partition gave back, a sequence of arrays of whole numbers."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise FedgroupError(f"{who} returned {described(value)}, expected a list of arrays")
    for client, part in enumerate(value):
        if not isinstance(part, np.ndarray) or part.dtype.kind not in "iu" or part.ndim != 1:
            raise FedgroupError(
                f"{who} returned {described(part)} for client {client}, expected positions (n,) "
                f"int64"
            )
    return value
