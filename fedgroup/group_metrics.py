"""Metrics by group and by tier. They travel as counts, which add; ratios are taken last.

A group is g = A*y + a (y: class, a: attribute, A: number of attribute values). WGA is the lowest
group accuracy over groups that have at least one sample (paper, section 2.3). A tier is a set of
groups of like representation: LRG-1 (least), LRG-2, HRG.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedgroup.dataset import GroupedDataset
from fedgroup.errors import FedgroupError


@dataclass(frozen=True)
class Counts:
    """Correct and all predictions per group."""

    correct: tuple[int, ...]
    """Predictions that are right, (G,)."""
    total: tuple[int, ...]
    """All predictions, (G,)."""

    def __post_init__(self) -> None:
        if len(self.correct) != len(self.total):
            raise FedgroupError(f"{len(self.correct)} correct counts for {len(self.total)} groups")
        if any(c < 0 or c > t for c, t in zip(self.correct, self.total, strict=True)):
            raise FedgroupError(f"correct counts {self.correct} must lie within 0..{self.total}")

    def __add__(self, other: "Counts") -> "Counts":
        if len(self.total) != len(other.total):
            raise FedgroupError(
                f"cannot add counts of {len(self.total)} and {len(other.total)} groups"
            )
        return Counts(
            tuple(a + b for a, b in zip(self.correct, other.correct, strict=True)),
            tuple(a + b for a, b in zip(self.total, other.total, strict=True)),
        )

    @classmethod
    def of(
        cls,
        predicted: NDArray[np.int64],
        y: NDArray[np.int64],
        group: NDArray[np.int64],
        groups: int,
    ) -> "Counts":
        """Count predictions by group.

        Args:
            predicted: Predicted classes, (N,).
            y: True classes, (N,).
            group: Group of each sample, (N,).
            groups: Number of groups, G.

        Returns:
            The counts of all G groups, 0 for those without samples.
        """
        hit = predicted == y
        correct = np.bincount(group[hit], minlength=groups)
        total = np.bincount(group, minlength=groups)
        return cls(tuple(int(c) for c in correct), tuple(int(t) for t in total))

    def by_group(self) -> tuple[float | None, ...]:
        """Return the accuracy per group in [0, 1], (G,); None where the group is empty."""
        return tuple(c / t if t else None for c, t in zip(self.correct, self.total, strict=True))

    def accuracy(self) -> float:
        """Return the plain accuracy over all samples, in [0, 1] (the paper's ACC as worded)."""
        if not sum(self.total):
            raise FedgroupError("accuracy of an empty set: the split has no samples")
        return sum(self.correct) / sum(self.total)

    def worst_group(self) -> tuple[int, float]:
        """Return the index and accuracy of the worst non-empty group (the first on ties)."""
        scored = [(a, g) for g, a in enumerate(self.by_group()) if a is not None]
        if not scored:
            raise FedgroupError("worst-group accuracy of an empty set: the split has no samples")
        value, index = min(scored)
        return index, value

    def wga(self) -> float:
        """Return the worst-group accuracy, in [0, 1]."""
        return self.worst_group()[1]

    def adjusted(self, train_counts: Sequence[int]) -> float:
        """Return the mean group accuracy weighted by clean training samples (G,), in [0, 1].

        This is the average that papers on Waterbirds report (Sagawa et al., Distributionally
        Robust Neural Networks for Group Shifts, ICLR 2020, appendix C.1). Groups without samples
        here are left out and the remaining weights renormalised.
        """
        if len(train_counts) != len(self.total):
            raise FedgroupError(f"{len(train_counts)} training counts for {len(self.total)} groups")
        pairs = [
            (a, w) for a, w in zip(self.by_group(), train_counts, strict=True) if a is not None
        ]
        weight = sum(w for _, w in pairs)
        if not weight:
            raise FedgroupError(
                "adjusted accuracy needs a group present in both training and this split"
            )
        return sum(a * w for a, w in pairs) / weight


def tier_masks(
    group: NDArray[np.int64], poison: NDArray[np.bool_], tiers: Mapping[str, Sequence[int]]
) -> dict[str, NDArray[np.bool_]]:
    """Return the mask of each tier, and of the poisons, which leave the tier of their base.

    Args:
        group: Group of each sample, (N,).
        poison: Which samples are poisons, (N,).
        tiers: Groups of each tier, by its name.

    Returns:
        Masks (N,) by tier name, and `poisons`.
    """
    masks = {name: np.isin(group, list(members)) & ~poison for name, members in tiers.items()}
    return masks | {"poisons": poison}


def tier_rates(mask: NDArray[np.bool_], data: GroupedDataset) -> dict[str, float | None]:
    """Return the percentage of every reported tier and of the poisons that a mask (N,) selects.

    IDNF where the mask is what a method identified, ELMF where it is what a method eliminated
    (paper, section 2.3). A tier without samples has None (printed N/A).
    """
    masks = tier_masks(data.group, data.poison, data.info.reported_tiers())
    return {
        name: 100.0 * float(mask[members].mean()) if members.any() else None
        for name, members in masks.items()
    }
