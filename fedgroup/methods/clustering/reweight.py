"""Accuracy of clusters under the training proportions: GEORGE's model selection (spec 2.6)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedgroup.dataset import Bools, Ints
from fedgroup.errors import FedgroupError

Floats = NDArray[np.float64]


def reweights(train_counts: Sequence[int], counts: Sequence[int]) -> Floats:
    """Weight of a sample of each group, (G,): share of the group in training over its share in a split.

    0 where the split has no such group.
    """
    train, split = np.array(train_counts, np.float64), np.array(counts, np.float64)
    if train.shape != split.shape or not train.sum() or not split.sum():
        raise FedgroupError(
            f"cannot reweight groups {tuple(counts)} to {tuple(train_counts)}: "
            f"both need the same groups and at least one sample"
        )
    share = split / split.sum()
    weights: Floats = np.divide(
        train / train.sum(), share, out=np.zeros_like(share), where=share > 0
    )
    return weights


def group_average(values: Floats, ids: Ints, weights: Floats, groups: int) -> tuple[Floats, Floats]:
    """Weighted mean of values (N,) in each group and the weight in it, both (groups,); 0 where none."""
    total = np.asarray(np.bincount(ids, weights, groups), np.float64)
    summed = np.asarray(np.bincount(ids, weights * values, groups), np.float64)
    return np.divide(summed, total, out=np.zeros_like(total), where=total > 0), total


def worst_reweighted(hit: Bools, ids: Ints, weights: Floats) -> float:
    """Lowest weighted accuracy over clusters with samples, in [0, 1]; all arrays (N,)."""
    if not len(hit) == len(ids) == len(weights) or len(ids) == 0:
        raise FedgroupError(
            f"{len(hit)} hits, {len(ids)} ids and {len(weights)} weights: give N > 0 of each"
        )
    average, _ = group_average(hit.astype(np.float64), ids, weights, int(ids.max()) + 1)
    return float(average[np.bincount(ids) > 0].min())
