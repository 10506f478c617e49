"""What a partition must hold."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fedgroup.checks.runner import Answer, Check, answers, frozen_settings, nonsense_refused
from fedgroup.checks.toy_data import ContractData, content, lock, same
from fedgroup.dataset import GroupedDataset
from fedgroup.errors import FedgroupError
from fedgroup.partitions.partition import validate

FEW = 3
"""Samples of a training set too small for any federation."""


def _train() -> GroupedDataset:
    return lock(ContractData().load()).train


def disjoint_positions(partition: Any) -> None:
    """Every client gets positions that exist, no sample is dealt twice, and no client is empty."""
    train = _train()
    parts = partition.assign(train, 0)
    assert isinstance(parts, list | tuple), (
        f"assign() gave {type(parts).__name__}, expected a list of arrays"
    )
    for client, part in enumerate(parts):
        assert isinstance(part, np.ndarray), (
            f"client {client} got a {type(part).__name__}: give a numpy array"
        )
        assert part.dtype == np.int64, (
            f"client {client}: positions are {part.dtype}, expected int64"
        )
        assert np.array_equal(part, np.sort(part)), (
            f"client {client}: positions are not sorted: sort them"
        )
    try:
        validate(parts, len(train), complete=False)
    except FedgroupError as error:
        raise AssertionError(str(error)) from None


def seeds_repeat(partition: Any) -> None:
    """Equal seeds give equal clients."""
    one, two = (partition.assign(_train(), 0) for _ in range(2))
    equal = len(one) == len(two) and all(
        np.array_equal(a, b) for a, b in zip(one, two, strict=True)
    )
    assert equal, 'two equal calls differ: draw from fedgroup.seeding.rng(seed, "partition", ...)'


def inputs_untouched(partition: Any) -> None:
    """The training set is not written to."""
    train = _train()
    held = content(train)
    partition.assign(train, 0)
    changed = same(train, held)
    assert changed is None, f"{changed} of the training set was written to: work on copies"


def empty_shards_named(partition: Any) -> None:
    """Too few samples are refused with a FedgroupError; no client is left with nothing."""
    few = _train().take(np.arange(FEW, dtype=np.int64))
    try:
        parts = partition.assign(few, 0)
    except FedgroupError:
        return
    empty = [client for client, part in enumerate(parts) if len(part) == 0]
    assert not empty, (
        f"of {FEW} samples client {empty[0]} of {len(parts)} got none: end with "
        f"fedgroup.partitions.partition.validate, which names it"
    )


def settings_are_checked(partition: Any) -> None:
    """A setting that is not a number is refused, when it is set or when it is used."""
    nonsense_refused(partition, lambda made: made.assign(_train(), 0))


CHECKS: tuple[Check, ...] = (
    frozen_settings,
    disjoint_positions,
    seeds_repeat,
    inputs_untouched,
    empty_shards_named,
    settings_are_checked,
)


def check_partition(partition: Any) -> Iterator[Answer]:
    """Run every check on a partition."""
    return answers(partition, CHECKS)
