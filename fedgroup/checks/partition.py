"""Checks of a partition (fedgroup.partitions.partition.Partition)."""

from collections.abc import Callable, Iterator

import numpy as np

from fedgroup.checks.runner import (
    Answer,
    answers,
    frozen_settings,
    nonsense_refused,
    surroundings_kept,
)
from fedgroup.checks.toy_data import ContractData, contents, first_difference, read_only
from fedgroup.dataset import GroupedDataset
from fedgroup.errors import FedgroupError
from fedgroup.partitions.partition import Partition, validate

FEW = 3
"""Samples of a training set too small for any federation."""


def _train() -> GroupedDataset:
    return read_only(ContractData().load()).train


def disjoint_positions(partition: Partition) -> None:
    """Require that every client gets samples that exist, and no sample goes to two."""
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


def seeds_repeat(partition: Partition) -> None:
    """Require that equal seeds give equal shards."""
    one, two = (partition.assign(_train(), 0) for _ in range(2))
    equal = len(one) == len(two) and all(
        np.array_equal(a, b) for a, b in zip(one, two, strict=True)
    )
    assert equal, 'two equal calls differ: draw from fedgroup.seeding.rng(seed, "partition", ...)'


def inputs_untouched(partition: Partition) -> None:
    """Require that the training set is not written to."""
    train = _train()
    before = contents(train)
    partition.assign(train, 0)
    changed = first_difference(train, before)
    assert changed is None, f"{changed} of the training set was written to: work on copies"


def empty_shards_named(partition: Partition) -> None:
    """Require that too few samples are refused with a FedgroupError, and no shard is empty."""
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


def settings_are_checked(partition: Partition) -> None:
    """Require that a setting which is not a number is refused, when it is set or used."""
    nonsense_refused(partition, lambda changed: changed.assign(_train(), 0))


def surroundings_stay(partition: Partition) -> None:
    """Require that it leaves the process as it is: threads, handlers, random streams, folder."""
    surroundings_kept(partition, lambda used: used.assign(_train(), 0))


CHECKS: tuple[Callable[[Partition], None], ...] = (
    frozen_settings,
    disjoint_positions,
    seeds_repeat,
    inputs_untouched,
    empty_shards_named,
    settings_are_checked,
    surroundings_stay,
)


def check_partition(partition: Partition) -> Iterator[Answer]:
    """Run every check on a partition; yield an answer each."""
    return answers(partition, CHECKS)
