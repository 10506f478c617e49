"""What a sample-level attack is, and the only way poisons enter a training set.

An attack changes the training split alone; validation and test stay clean. Its success is a ratio
of counts: the samples on which the attacker wins (`correct`) over the samples that count (`total`),
per group; where the total is 0 there is no rate. An attack with a target class wins where that
class is predicted, not wherever the prediction is wrong: with three or more classes these differ.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import torch

from fedgroup.dataset import GroupedDataset, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts

Predict = Callable[[GroupedDataset], Ints]
"""Predicted class of every sample of a view, (N,) int64."""

Insert = Literal["append", "replace"]
"""append: poisons follow the clean samples, bases stay; replace: a poison takes its base's
place."""

_HASHED = 256
"""Images hashed at a time."""


class Attack(Protocol):
    """A sample-level attack component: a frozen dataclass of settings.

    Both methods get a fresh generator from the same address, so that `success` can draw what
    `poison` drew. A class that does not inherit from the Protocol may leave out the class
    variables: read them with `is_paired` and `wants_reference`.
    """

    paired: ClassVar[bool] = False
    """The success rate is this run's rate minus that of the clean run of the same seed."""
    reference: ClassVar[bool] = False
    """A report needs the rate of the clean run beside this one's; always so where paired."""

    def poison(self, splits: Splits, rng: np.random.Generator) -> Splits:
        """Return the splits with a poisoned training part.

        Args:
            splits: The clean splits; they are not written to.
            rng: Generator of all draws.

        Returns:
            The splits with poisons in `train`, put there by `insert`; `val` and `test` as they
            were.

        Raises:
            FedgroupError: The data do not allow the attack.
        """
        ...

    def success(self, predict: Predict, splits: Splits, rng: np.random.Generator) -> Counts:
        """Count on which test samples the attacker wins.

        Args:
            predict: The model's class of every sample of a view.
            splits: What `poison` returned, or the clean splits for the clean reference run.
            rng: Generator of all draws.

        Returns:
            Per group the samples on which the attacker wins and the samples that count.
        """
        ...


@runtime_checkable
class AttackWithBases(Protocol):
    """An attack that says which clean samples its poisons are made from."""

    def bases(self, train: GroupedDataset, rng: np.random.Generator) -> Ints:
        """Return the positions of the bases in a clean training set, ascending, (n,) int64."""
        ...


@runtime_checkable
class AttackWithTrigger(Protocol):
    """An attack with a trigger that can be put on any image."""

    def stamp(self, images: torch.Tensor) -> torch.Tensor:
        """Return a copy of uint8 images (B, H, W, 3) with the trigger."""
        ...


def is_paired(attack: object) -> bool:
    """Return whether the attack's rate is a difference from the clean run's; False by default."""
    return bool(getattr(attack, "paired", False))


def wants_reference(attack: object) -> bool:
    """Return whether the attack needs the clean run beside the attacked one; False by default."""
    return is_paired(attack) or bool(getattr(attack, "reference", False))


def refuse_poisoned(train: GroupedDataset) -> None:
    """Refuse a training set that already holds poisons."""
    if train.extra is not None or train.poison.any():
        raise FedgroupError(
            f"{train.info.name}: the training set already holds {int(train.poison.sum())} "
            f"poisons: a run has one attack"
        )


def insert(
    train: GroupedDataset,
    bases: Ints,
    y: int | Ints,
    images: torch.Tensor | None = None,
    how: Insert = "append",
) -> GroupedDataset:
    """Put n poisons made from clean samples into a training set.

    A poison has the group of its base. With append, poison k sits at position and index N + k; with
    replace it takes the position and index of its base.

    Args:
        train: The clean training set of N samples; it is not written to.
        bases: Positions of the bases, (n,) int64.
        y: Label of the poisons, one for all or (n,) int64.
        images: Their images, (n, H, W, 3) uint8; None for those of the bases (no pixel is copied).
        how: Whether the poisons are appended or replace their bases.

    Returns:
        The training set with the poisons, which are marked in `poison`.

    Raises:
        FedgroupError: The set already holds poisons, a label is no class, a base is to be replaced
            twice, or the images have another dtype or shape.
    """
    bases = np.asarray(bases, np.int64)
    n = len(bases)
    refuse_poisoned(train)
    labels = _labels(train, y, n)
    if how == "replace" and len(np.unique(bases)) < n:
        raise FedgroupError(
            "a base is drawn twice and cannot be replaced twice: use insert: append"
        )
    expected = (n, *train.bank.shape[1:])
    if images is not None and (images.dtype != torch.uint8 or tuple(images.shape) != expected):
        raise FedgroupError(
            f"poison images are {images.dtype} {tuple(images.shape)}, "
            f"expected torch.uint8 {expected}"
        )
    extra = None if images is None else images.to(train.bank.device)
    rows = train.row[bases] if extra is None else len(train.bank) + np.arange(n, dtype=np.int64)
    if how == "replace":
        row, label, poison = train.row.copy(), train.y.copy(), train.poison.copy()
        row[bases], label[bases], poison[bases] = rows, labels, True
        return replace(train, row=row, y=label, poison=poison, extra=extra)
    first = int(train.index.max()) + 1 if len(train) else 0
    return replace(
        train,
        row=np.concatenate([train.row, rows]),
        y=np.concatenate([train.y, labels]),
        group=np.concatenate([train.group, train.group[bases]]),
        poison=np.concatenate([train.poison, np.ones(n, np.bool_)]),
        index=np.concatenate([train.index, first + np.arange(n, dtype=np.int64)]),
        extra=extra,
    )


def _labels(train: GroupedDataset, y: int | Ints, n: int) -> Ints:
    """Return the labels of n poisons, (n,); refuse one that is no class of the data."""
    labels = np.broadcast_to(np.asarray(y, np.int64), (n,))
    last = len(train.info.classes) - 1
    if n and not 0 <= labels.min() <= labels.max() <= last:
        raise FedgroupError(
            f"{train.info.name}: poisons get labels {labels.min()}..{labels.max()}, the classes "
            f"are 0..{last}: `1 - y` is a class where there are two, not where there are more"
        )
    return labels


def manifest(
    before: GroupedDataset, after: GroupedDataset, bases: Ints | None = None
) -> dict[str, Any]:
    """List the poisons of a training set, ready for JSON.

    Args:
        before: The clean training set.
        after: The same set with poisons.
        bases: Positions (n,) in `before` of the poisons' bases, as `AttackWithBases.bases` returns
            them. Without them they are told for replaced samples and for poisons that share the
            pixels of their base.

    Returns:
        How the poisons were inserted, their number, and of each the index and group of its base,
        the old and the new label, its position in `after` and 16 hex digits of the SHA-256 of its
        pixels. Base and old label are None where they cannot be told.

    Raises:
        FedgroupError: There are not as many bases as poisons.
    """
    positions = np.flatnonzero(after.poison)
    appended = len(after) > len(before)
    if bases is not None and len(bases) != len(positions):
        raise FedgroupError(
            f"{len(bases)} bases given for {len(positions)} poisons: give one for each"
        )
    if bases is None:
        bases = _by_row(before, after.row[positions]) if appended else positions
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
        for base, position, digest in zip(bases, positions, hashes, strict=True)
    ]
    return {
        "insert": "append" if appended else "replace",
        "count": len(poisons),
        "poisons": poisons,
    }


def _by_row(before: GroupedDataset, rows: Ints) -> Ints:
    """Return the position in `before` of the one sample with each bank row, (n,); else -1."""
    values, first, counts = np.unique(before.row, return_index=True, return_counts=True)
    at = np.searchsorted(values, rows).clip(max=len(values) - 1)
    return np.where((values[at] == rows) & (counts[at] == 1), first[at], -1)


def _hashes(data: GroupedDataset, positions: Ints) -> list[str]:
    """Return 16 hex digits of the SHA-256 of each sample's pixels."""
    digests = []
    for start in range(0, len(positions), _HASHED):
        images = data.pixels(positions[start : start + _HASHED]).cpu().numpy()
        digests += [hashlib.sha256(image.tobytes()).hexdigest()[:16] for image in images]
    return digests
