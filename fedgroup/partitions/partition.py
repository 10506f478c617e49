"""What a partition is, and the checks that all partitions share.

A partition deals the training samples to clients. A client is its position in the list that
`assign` returns: its partition id.
"""

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.errors import FedgroupError


class Partition(Protocol):
    """A partition component: a frozen dataclass of settings.

    The draw depends on the seed alone, so every aggregation rule under one seed meets the same
    clients. A poison counts as a sample of its base's group.
    """

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        """Deal the training samples to the clients.

        Args:
            train: The training split.
            seed: Seed of the draw, the task's.

        Returns:
            Per client the sorted positions (n,) int64 in `train`; no two clients share one, and no
            client is empty.

        Raises:
            FedgroupError: The samples cannot be dealt as the settings ask.
        """
        ...


def check_clients(clients: int) -> None:
    """Refuse a partition of no clients."""
    if clients < 1:
        raise FedgroupError(f"clients must be at least 1, got {clients}")


def check_enough(clients: int, samples: int) -> None:
    """Refuse more clients than samples."""
    if clients > samples:
        raise FedgroupError(
            f"{clients} clients cannot share {samples} samples: "
            f"use at most {samples} clients, or more samples"
        )


def validate(parts: Sequence[Ints], samples: int, complete: bool = True) -> list[Ints]:
    """Check the parts of a partition and sort them.

    Args:
        parts: Positions of each client, flat and of an integer type.
        samples: Number of samples in the training split.
        complete: Whether every sample must be dealt to some client.

    Returns:
        Per client its positions, ascending, (n,) int64.

    Raises:
        FedgroupError: There is no client, a client is empty, or a position is dealt twice, does not
            exist or (with `complete`) is missing.
    """
    if len(parts) == 0:
        raise FedgroupError("the partition has no clients: give at least one list of positions")
    arrays = [_positions(client, part, len(parts), samples) for client, part in enumerate(parts)]
    owner = np.full(samples, -1, np.int64)
    for client, part in enumerate(arrays):
        taken = part[owner[part] >= 0]
        if len(taken):
            raise FedgroupError(
                f"sample {taken[0]} is dealt to clients {owner[taken[0]]} and {client}: "
                f"give it to one of them"
            )
        owner[part] = client
    missing = np.flatnonzero(owner < 0)
    if complete and len(missing):
        raise FedgroupError(
            f"{len(missing)} of {samples} samples are dealt to no client "
            f"(the first is {missing[0]}): "
            f"deal them all, or set complete: false where the partition has it"
        )
    return arrays


def _positions(client: int, part: Ints, clients: int, samples: int) -> Ints:
    """Return the sorted positions of one client, (n,) int64; refuse what cannot be positions."""
    positions = np.asarray(part)
    if positions.ndim != 1:
        raise FedgroupError(
            f"client {client}: positions must be a flat list, got shape {positions.shape}"
        )
    if len(positions) == 0:
        raise FedgroupError(
            f"client {client} of {clients} got no samples ({samples} in all): use fewer clients, "
            f"more samples, or a less skewed partition"
        )
    if positions.dtype.kind not in "iu":
        raise FedgroupError(
            f"client {client}: positions must be whole numbers, got {positions.dtype}"
        )
    if positions.min() < 0 or positions.max() >= samples:
        raise FedgroupError(
            f"client {client}: positions {positions.min()}..{positions.max()} do not all exist, "
            f"the split has {samples} samples (0..{samples - 1})"
        )
    ordered = np.sort(positions.astype(np.int64))
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice):
        raise FedgroupError(f"client {client} lists sample {twice[0]} twice: list it once")
    return ordered


def group_table(parts: Sequence[Ints], train: GroupedDataset) -> Ints:
    """Return each client's clean samples per group, then its poisons, (clients, G + 1) int64."""
    views = [train.take(part) for part in parts]
    return np.array([[*view.group_counts(), int(view.poison.sum())] for view in views], np.int64)


def partition_hash(parts: Sequence[Ints]) -> str:
    """Return 12 hex digits that name who holds what; they are stored with every run."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.asarray(part, "<i8").tobytes() + b"|")
    return digest.hexdigest()[:12]
