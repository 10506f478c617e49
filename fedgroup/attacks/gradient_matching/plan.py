"""What gradient matching draws from its generator: targets, bases and seeds."""

from typing import NamedTuple

import numpy as np

from fedgroup.attacks import base_samples
from fedgroup.attacks.poison_count import poison_count
from fedgroup.dataset import GroupedDataset, Ints, Splits
from fedgroup.errors import FedgroupError


class Plan(NamedTuple):
    """What a generator decides: pure data, cheap to draw again."""

    targets: Ints
    """Positions in the test split, ascending, (T,)."""
    bases: Ints
    """Positions in the training split, ascending, (P,)."""
    label: int
    """y_bad: label of all bases and the class that the targets are to be given."""
    seed: int
    """Seed of the first perturbations and of the augmentation."""


def draw_plan(splits: Splits, count: int, fraction: float, rng: np.random.Generator) -> Plan:
    """Draw the targets (first), then the bases, then the seed of the perturbations.

    Args:
        splits: The clean splits.
        count: T, the number of targets.
        fraction: Poisons as a share of the clean training samples, rounded down.
        rng: Generator of the draws.

    Returns:
        The targets, of class y_src, and the bases, of LRG-1.

    Raises:
        FedgroupError: A base does not have the class of LRG-1.
    """
    train = splits.train
    label = base_samples.bad_class(train.info)
    poisons = poison_count(fraction, train)
    targets = draw_targets(train, splits.test, count, rng)
    bases = base_samples.draw(base_samples.rare_pool(train), poisons, train, "LRG-1", rng)
    if (train.y[bases] != label).any():
        raise FedgroupError(
            f"{train.info.name}: a sample of LRG-1 does not have its class "
            f"{train.info.classes[label]}: check the y and group columns"
        )
    return Plan(targets, bases, label, int(rng.integers(2**63)))


def draw_targets(
    train: GroupedDataset, test: GroupedDataset, count: int, rng: np.random.Generator
) -> Ints:
    """Draw the targets from the test images of class y_src.

    Args:
        train: The training split, which decides what y_src is.
        test: The test split.
        count: T, the number of targets.
        rng: Generator of the draw.

    Returns:
        Positions in `test`, ascending, (T,).

    Raises:
        FedgroupError: The test split has fewer images of that class.
    """
    y = base_samples.source_class(train)
    pool = np.flatnonzero((test.y == y) & ~test.poison)
    if len(pool) < count:
        raise FedgroupError(
            f"{test.info.name}: {count} targets asked for, the test split has {len(pool)} images "
            f"of class {test.info.classes[y]}: set targets to at most {len(pool)}"
        )
    # one permutation of the whole pool: fewer targets are among more, and the bases do not move
    return np.sort(rng.permutation(pool)[:count])
