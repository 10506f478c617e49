"""One selection of EPIC over all classes: how many medoids each class gets, and the clusters.

The budget is shared in proportion to the size of the classes, as in the code of Yang et al. (ICML
2022); every class is then clustered on its own.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError
from fedgroup.methods.medoids.facility_location import MEMORY, choose_medoids
from fedgroup.methods.medoids.fixed_point import SimilarityName


def class_budgets(
    counts: Sequence[int] | Ints, budget: int, generator: np.random.Generator
) -> Ints:
    """Share a budget of medoids over classes.

    Class c of n_c samples gets ceil(budget * n_c / N); the surplus is removed one by one at random
    among the classes that keep at least one medoid.

    Args:
        counts: Samples of each class, (C,).
        budget: Medoids in all.
        generator: Draws the classes that give up a medoid.

    Returns:
        Medoids per class, (C,) int64 with sum `budget`.

    Raises:
        FedgroupError: where the budget is below the number of classes or above that of samples.
    """
    sizes = [int(count) for count in counts]
    total, classes = sum(sizes), sum(size > 0 for size in sizes)
    if not classes <= budget <= total or budget < 1:
        raise FedgroupError(
            f"{budget} medoids cannot serve {classes} classes of {total} samples in all: choose a "
            f"subset size that gives {max(classes, 1)} to {total} medoids"
        )
    budgets = np.array([-(-budget * size // total) for size in sizes], np.int64)
    while budgets.sum() > budget:
        budgets[generator.choice(np.flatnonzero(budgets > 1))] -= 1
    return budgets


def cluster_sizes(
    gradients: NDArray[np.float32],
    y: Ints,
    subset: float,
    generator: np.random.Generator,
    *,
    similarity: SimilarityName = "max_minus_distance",
    gamma: float | None = None,
    memory: int = MEMORY,
    device: torch.device | str = "cpu",
) -> Ints:
    """Return the number of samples in the cluster that every sample joins, in one selection.

    Args:
        gradients: softmax - one-hot of every sample, (N, C) float32.
        y: Classes, (N,).
        subset: Medoids as a share of the samples: floor(subset * N) in all, 0 < subset < 1.
        generator: Shares the medoids over the classes (`class_budgets`).
        similarity: How a distance becomes a similarity.
        gamma: Rate of exp_minus_gamma_distance; None: 1 / C.
        memory: Bytes that may be held at once, beside O(N * C).
        device: Where distances are computed.

    Returns:
        Sizes, (N,) int64.

    Raises:
        FedgroupError: where the arguments do not fit each other.
    """
    if not 0 < subset < 1:
        raise FedgroupError(f"the subset size must lie strictly between 0 and 1, got {subset}")
    if len(y) != len(gradients) or not len(y):
        raise FedgroupError(f"{len(gradients)} gradients do not fit {len(y)} labels")
    if y.min() < 0:
        raise FedgroupError(f"labels must be classes from 0, got {y.min()}")
    budgets = class_budgets(np.bincount(y), math.floor(subset * len(y)), generator)
    sizes = np.zeros(len(y), np.int64)
    for label, budget in enumerate(budgets.tolist()):
        if budget:
            members = np.flatnonzero(y == label)
            medoids = choose_medoids(
                gradients[members], budget, similarity, gamma=gamma, memory=memory, device=device
            )
            sizes[members] = medoids.sizes()
    return sizes
