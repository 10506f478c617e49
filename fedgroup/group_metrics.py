"""Group metrics. They travel as counts, which add; ratios are taken last.

A group is g = A*y + a (y: class, a: attribute, A: number of attribute values). WGA is the lowest
group accuracy over groups that have at least one sample (paper, section 2.3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError


@dataclass(frozen=True)
class Counts:
    """Correct and total predictions per group, each a tuple of G integers."""

    correct: tuple[int, ...]
    total: tuple[int, ...]

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
        """Count hits of `predicted` against `y` by `group` (all shape (N,), integers)."""
        hit = predicted == y
        correct = np.bincount(group[hit], minlength=groups)
        total = np.bincount(group, minlength=groups)
        return cls(tuple(int(c) for c in correct), tuple(int(t) for t in total))

    def by_group(self) -> tuple[float | None, ...]:
        """Accuracy per group in [0, 1]; None where the group is empty."""
        return tuple(c / t if t else None for c, t in zip(self.correct, self.total, strict=True))

    def accuracy(self) -> float:
        """Plain accuracy over all samples, in [0, 1] (the paper's ACC as worded)."""
        if not sum(self.total):
            raise FedgroupError("accuracy of an empty set: the split has no samples")
        return sum(self.correct) / sum(self.total)

    def worst_group(self) -> tuple[int, float]:
        """Index and accuracy of the worst non-empty group (first on ties)."""
        scored = [(a, g) for g, a in enumerate(self.by_group()) if a is not None]
        if not scored:
            raise FedgroupError("worst-group accuracy of an empty set: the split has no samples")
        value, index = min(scored)
        return index, value

    def wga(self) -> float:
        """Worst-group accuracy in [0, 1]."""
        return self.worst_group()[1]

    def adjusted(self, train_counts: Sequence[int]) -> float:
        """Group accuracies weighted by the clean training proportions, in [0, 1].

        This is the average that Waterbirds papers report (spec group_methods 5.2). Groups without
        samples here are left out and the remaining weights renormalised.
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


def cells(
    group: NDArray[np.int64], poison: NDArray[np.bool_], tiers: Mapping[str, Sequence[int]]
) -> dict[str, NDArray[np.bool_]]:
    """Mask (N,) of each tier and of the poisons, a cell of their own that leaves the tier of their base."""
    found = {name: np.isin(group, list(members)) & ~poison for name, members in tiers.items()}
    return found | {"poisons": poison}


def selection_rates(
    selected: NDArray[np.bool_],
    group: NDArray[np.int64],
    poison: NDArray[np.bool_],
    tiers: Mapping[str, Sequence[int]],
) -> dict[str, float | None]:
    """Percentage of each tier that a selection holds: IDNF of an amplified, ELMF of a dropped set.

    All arrays are (N,). A cell without samples gives None (printed N/A).
    """
    found = cells(group, poison, tiers)
    return {
        name: 100.0 * float(selected[mask].mean()) if mask.any() else None
        for name, mask in found.items()
    }
