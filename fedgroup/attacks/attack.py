"""What a sample-level attack is, and the only way poisons enter a training set.

An attack is a frozen dataclass of settings. It changes the training split alone; validation and test
stay clean. Attack success is a ratio of counts: the samples on which the attacker wins (`correct`)
over the samples that count (`total`), per group; where the total is 0 there is no rate.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, Protocol

import numpy as np
import torch

from fedgroup.dataset import GroupedDataset, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts

Predict = Callable[[GroupedDataset], Ints]
"""Predicted class of every sample of a view, (N,) int64."""

Insert = Literal["append", "replace"]
"""append: poisons follow the clean samples, whose copies stay; replace: a poison takes its base's place."""

_HASHED = 256


class Attack(Protocol):
    """A sample-level attack component. Both calls get a fresh generator from the same address.

    Two class variables are optional, False where they are absent. paired: the success rate is this run's
    rate minus that of the clean run of the same seed. reference: a report needs the rate of the clean run
    beside this one's (always where paired).
    """

    def poison(self, splits: Splits, rng: np.random.Generator) -> Splits:
        """The splits with a poisoned training part; raises FedgroupError where the data do not allow it."""
        ...

    def success(self, predict: Predict, splits: Splits, rng: np.random.Generator) -> Counts:
        """Per group, the samples on which the attacker wins and the samples that count."""
        ...


def insert(
    train: GroupedDataset,
    bases: Ints,
    y: int | Ints,
    images: torch.Tensor | None = None,
    how: Insert = "append",
) -> GroupedDataset:
    """Put n poisons made from the clean samples at positions `bases` (n,) into a training set.

    A poison has label `y` (one for all, or (n,)), the group of its base, and its own uint8 image from
    `images` (n, H, W, 3), or its base's where that is None (no pixel is copied). With append, poison k
    sits at position and index N + k; with replace it takes the position and index of its base.
    Refuses a set that already holds poisons.
    """
    bases = np.asarray(bases, np.int64)
    n = len(bases)
    if train.extra is not None or train.poison.any():
        raise FedgroupError(
            f"{train.info.name}: the training set already holds {int(train.poison.sum())} poisons: "
            f"a run has one attack"
        )
    if how == "replace" and len(np.unique(bases)) < n:
        raise FedgroupError(
            "a base is drawn twice and cannot be replaced twice: use insert: append"
        )
    expected = (n, *train.bank.shape[1:])
    if images is not None and (images.dtype != torch.uint8 or tuple(images.shape) != expected):
        raise FedgroupError(
            f"poison images are {images.dtype} {tuple(images.shape)}, expected torch.uint8 {expected}"
        )
    made = None if images is None else images.to(train.bank.device)
    rows = train.row[bases] if made is None else len(train.bank) + np.arange(n, dtype=np.int64)
    labels = np.broadcast_to(np.asarray(y, np.int64), (n,))
    if how == "replace":
        row, label, poison = train.row.copy(), train.y.copy(), train.poison.copy()
        row[bases], label[bases], poison[bases] = rows, labels, True
        return replace(train, row=row, y=label, poison=poison, extra=made)
    first = int(train.index.max()) + 1 if len(train) else 0
    return replace(
        train,
        row=np.concatenate([train.row, rows]),
        y=np.concatenate([train.y, labels]),
        group=np.concatenate([train.group, train.group[bases]]),
        poison=np.concatenate([train.poison, np.ones(n, np.bool_)]),
        index=np.concatenate([train.index, first + np.arange(n, dtype=np.int64)]),
        extra=made,
    )


def manifest(
    before: GroupedDataset, after: GroupedDataset, bases: Ints | None = None
) -> dict[str, Any]:
    """JSON-able list of the poisons in `after`, made from the clean training set `before`.

    Each entry gives the base's index and group, the old and the new label, the poison's position in
    `after` and 16 hex digits of the SHA-256 of its pixels. `bases` (n,) are the bases' positions, as
    an attack's `bases(train, rng)` returns them. Without it they are known for replaced samples and for
    poisons that share their base's pixels; otherwise base and old label are None.
    """
    positions = np.flatnonzero(after.poison)
    appended = len(after) > len(before)
    if bases is not None and len(bases) != len(positions):
        raise FedgroupError(
            f"{len(bases)} bases given for {len(positions)} poisons: give one for each"
        )
    if bases is None:
        known = positions if not appended else _by_row(before, after.row[positions])
    else:
        known = np.asarray(bases, np.int64)
    hashes = _hashes(after, positions)
    poisons = [
        {
            "base": int(before.index[base]) if base >= 0 else None,
            "base_group": int(after.group[position]),
            "old_label": int(before.y[base]) if base >= 0 else None,
            "new_label": int(after.y[position]),
            "position": int(position),
            "pixels": digest,
        }
        for base, position, digest in zip(known, positions, hashes, strict=True)
    ]
    return {
        "insert": "append" if appended else "replace",
        "count": len(poisons),
        "poisons": poisons,
    }


def _by_row(before: GroupedDataset, rows: Ints) -> Ints:
    """Position in `before` of the one sample with each bank row, (n,); -1 where there is not exactly one."""
    values, first, counts = np.unique(before.row, return_index=True, return_counts=True)
    at = np.searchsorted(values, rows).clip(max=len(values) - 1)
    return np.where((values[at] == rows) & (counts[at] == 1), first[at], -1)


def _hashes(data: GroupedDataset, positions: Ints) -> list[str]:
    out = []
    for start in range(0, len(positions), _HASHED):
        images = data.pixels(positions[start : start + _HASHED]).cpu().numpy()
        out += [hashlib.sha256(image.tobytes()).hexdigest()[:16] for image in images]
    return out
