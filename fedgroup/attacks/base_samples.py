"""Base samples: from which clean samples poisons are made, with which label; for all attacks.

The attacker's class y_bad is the class of LRG-1; y_src is the class that is attacked: of two
classes the other one, of more the most frequent other one of HRG. Bases of the backdoor and the
subpopulation attack come from HRG and y_src (paper, section 2.2).
"""

import math
from collections.abc import Sequence

import numpy as np

from fedgroup.attacks.poison_count import three_digits
from fedgroup.dataset import GroupedDataset, GroupInfo, Ints
from fedgroup.errors import FedgroupError


def tier(info: GroupInfo, name: str) -> tuple[int, ...]:
    """Return the groups of a tier; refuse a data set that has no such tier."""
    groups = tuple(info.tiers.get(name, ()))
    if not groups:
        others = ", ".join(info.tiers) or "none"
        raise FedgroupError(
            f"{info.name} has no tier {name}, which the attack needs (it has {others}): "
            f"use a data set whose tiers name it"
        )
    return groups


def bad_class(info: GroupInfo) -> int:
    """Return y_bad, the label of the poisons: the class of LRG-1; refuse an LRG-1 of several."""
    classes = sorted({g // info.attributes for g in tier(info, "LRG-1")})
    if len(classes) > 1:
        named = ", ".join(info.classes[c] for c in classes)
        raise FedgroupError(
            f"{info.name}: LRG-1 spans the classes {named}, so the poisons have no single label: "
            f"keep groups of one class in LRG-1"
        )
    return classes[0]


def source_class(train: GroupedDataset) -> int:
    """Return y_src, the attacked class: the most frequent class of HRG but y_bad.

    Frequencies are the clean training counts, so poisons already inserted do not matter; of classes
    that are equally frequent the lowest is taken.

    Raises:
        FedgroupError: All groups of HRG have class y_bad.
    """
    info, bad = train.info, bad_class(train.info)
    counts = clean_counts(train)
    classes: dict[int, int] = {}
    for group in sorted(tier(info, "HRG")):
        y = group // info.attributes
        if y != bad:
            classes[y] = classes.get(y, 0) + int(counts[group])
    if not classes:
        raise FedgroupError(
            f"{info.name}: all groups of HRG have LRG-1's class {info.classes[bad]}, so no sample "
            f"can get a wrong label from it: HRG needs a group of another class"
        )
    return max(classes, key=lambda y: (classes[y], -y))


def source_groups(train: GroupedDataset) -> tuple[int, ...]:
    """Return the groups of HRG with class y_src: where the backdoor takes its bases."""
    y = source_class(train)
    return tuple(g for g in tier(train.info, "HRG") if g // train.info.attributes == y)


def clean_counts(train: GroupedDataset) -> Ints:
    """Return the clean training samples per group, (G,) int64: `info.train_counts` if it is set."""
    if train.info.train_counts:
        return np.array(train.info.train_counts, np.int64)
    return train.group_counts()


def pool(train: GroupedDataset, groups: Sequence[int]) -> Ints:
    """Return the positions of the clean training samples of `groups`, ascending."""
    return np.flatnonzero(np.isin(train.group, list(groups)) & ~train.poison)


def rare_pool(train: GroupedDataset) -> Ints:
    """Return the positions of LRG-1's clean training samples, ascending."""
    return pool(train, tier(train.info, "LRG-1"))


def draw(
    candidates: Ints,
    count: int,
    train: GroupedDataset,
    where: str,
    rng: np.random.Generator,
    with_replacement: bool = False,
) -> Ints:
    """Draw bases uniformly from a pool.

    The pool is permuted once and a prefix taken, so that under one seed the bases of a smaller
    count are among those of a larger one (with replacement they are drawn one after another, so
    too).

    Args:
        candidates: The pool: positions in `train`, (n,) int64.
        count: How many bases to draw.
        train: The training set, for messages.
        where: What the pool is, for messages.
        rng: Generator of the draw.
        with_replacement: Whether a base may be drawn more than once.

    Returns:
        Positions of the bases in `train`, ascending, (count,) int64.

    Raises:
        FedgroupError: The pool is too small.
    """
    size = len(candidates)
    if size == 0 or (count > size and not with_replacement):
        remedy = "use a data set that has some"
        if size:
            # a little below (size + 1) / N, the first fraction that is too large
            most = three_digits((size + 1) / int((~train.poison).sum()) * (1 - 1e-6), math.floor)
            remedy = f"lower the fraction to at most {most:.3g}"
        raise FedgroupError(
            f"{train.info.name}: {count} poisons need {count} bases, "
            f"{where} has {size} training samples: {remedy}"
        )
    order = rng.integers(size, size=count) if with_replacement else rng.permutation(size)[:count]
    return np.sort(candidates[order])
