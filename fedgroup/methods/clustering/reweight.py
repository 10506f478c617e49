"""Accuracy of clusters under the training proportions: GEORGE's model selection.

The reweighted accuracy of the worst estimated cluster on validation data picks the epoch in the
code of Sohoni et al. (NeurIPS 2020).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedgroup.dataset import Bools, Ints
from fedgroup.errors import FedgroupError

Floats = NDArray[np.float64]


def reweights(train_counts: Sequence[int], counts: Sequence[int]) -> Floats:
    """Return the weight of a sample of each group: its share in training over that in a split.

    Args:
        train_counts: Training samples per group, (G,).
        counts: Samples per group in the split, (G,).

    Returns:
        Weights, (G,); 0 where the split has no such group.

    Raises:
        FedgroupError: where the groups differ or one of the two has no samples.
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
    """Average over groups with weights.

    Args:
        values: What is averaged, (N,).
        ids: Group or cluster of each value, (N,).
        weights: Weight of each value, (N,).
        groups: Number of groups.

    Returns:
        Weighted mean of each group and the weight in it, both (groups,); 0 where there is none.
    """
    total = np.asarray(np.bincount(ids, weights, groups), np.float64)
    summed = np.asarray(np.bincount(ids, weights * values, groups), np.float64)
    return np.divide(summed, total, out=np.zeros_like(total), where=total > 0), total


def worst_reweighted(hit: Bools, ids: Ints, weights: Floats) -> float:
    """Return the lowest weighted accuracy over clusters with samples, in [0, 1].

    Args:
        hit: Which predictions are right, (N,).
        ids: Cluster of each sample, (N,).
        weights: Weight of each sample, (N,).

    Returns:
        The accuracy of the worst cluster.

    Raises:
        FedgroupError: where the arrays are empty or differ in length.
    """
    if not len(hit) == len(ids) == len(weights) or len(ids) == 0:
        raise FedgroupError(
            f"{len(hit)} hits, {len(ids)} ids and {len(weights)} weights: give N > 0 of each"
        )
    average, _ = group_average(hit.astype(np.float64), ids, weights, int(ids.max()) + 1)
    return float(average[np.bincount(ids) > 0].min())
