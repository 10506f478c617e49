"""EPIC's selection: medoids by greedy facility location in gradient space, and who stays.

EPIC (Yang et al., ICML 2022) takes per class the medoids S that maximise F(S) = sum_i max_{j in S} s_ij,
greedily, lets every sample join its most similar medoid and drops the samples in clusters of one: the
isolated ones. Here the greedy choice is exact and has one set of bits: it equals the plain greedy over
the whole matrix of similarities, rounded once as `facility_grid` says, with ties to the lowest index.
That matters: with two classes ties are the rule (the two middle samples of an even stretch), and where
sums of floats break them by rounding noise a quarter to two fifths of the medoids differ from one
implementation to the next.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError, unknown
from fedgroup.methods.medoids import blocks, one_dimension
from fedgroup.methods.medoids.fixed_point import (
    SIMILARITIES,
    Floats,
    Measure,
    Similarity,
    bits,
    exponent,
    whole,
)

MEMORY = 1 << 28
"""Bytes that a selection may hold at once, unless told otherwise."""
ON_LINE = 1e-5
"""Two columns whose rows sum to at most this lie on a line, as softmax gradients of two classes do."""


@dataclass(frozen=True, eq=False)
class Selection:
    """B medoids of n samples and the cluster of every sample."""

    order: Ints
    """(B,) positions of the medoids, in the order of their choice."""
    cluster: Ints
    """(n,) the medoid that each sample joins, as a position in `order`; the earliest on ties."""
    weights: Ints
    """(B,) samples per cluster; an empty cluster counts 1."""

    def sizes(self) -> Ints:
        """(n,) samples in the cluster of each sample."""
        return self.weights[self.cluster]


def medoids(
    gradients: NDArray[np.float32],
    budget: int,
    similarity: Similarity = "max_minus_distance",
    *,
    gamma: float | None = None,
    memory: int = MEMORY,
    device: torch.device | str = "cpu",
) -> Selection:
    """Choose exactly `budget` medoids of one class greedily; ties go to the lowest index.

    `gradients` (n, C) are softmax - one-hot, float32. `gamma` (default 1 / C) is the rate of
    exp_minus_gamma_distance. Steps that gain nothing take the lowest index left. At most about `memory`
    bytes are held beside O(n * C). One column, or two that sum to zero, are solved on the CPU by the
    method for a line; everything else on `device`, which must compute in float64. Raises FedgroupError
    on an empty or non-finite input, an unknown similarity and a budget outside 1..n.
    """
    points = _checked(gradients, budget, memory)
    measured = _gamma(similarity, gamma, points.shape[1])
    line = _on_line(points)
    if line is not None:
        coordinate, unit = line
        order, cluster = _greedy_on_line(coordinate, unit, budget, similarity, measured, memory)
    else:
        order, cluster = _greedy_in_space(
            points, budget, similarity, measured, memory, _float64(device)
        )
    left = np.ones(len(points), np.bool_)
    left[order] = False
    chosen = np.concatenate(
        [np.array(order, np.int64), np.flatnonzero(left)[: budget - len(order)]]
    )
    weights = np.bincount(cluster, minlength=budget).astype(np.int64)
    return Selection(chosen, cluster, np.maximum(weights, 1))


def class_budgets(
    counts: Sequence[int] | Ints, budget: int, generator: np.random.Generator
) -> Ints:
    """Medoids per class, (C,) int64 with sum `budget`.

    Class c of n_c samples gets ceil(budget * n_c / N); the surplus is removed one by one at random among
    the classes that keep at least one medoid.
    """
    sizes = [int(count) for count in counts]
    total, classes = sum(sizes), sum(size > 0 for size in sizes)
    if not classes <= budget <= total or budget < 1:
        raise FedgroupError(
            f"{budget} medoids cannot serve {classes} classes of {total} samples in all: choose a subset "
            f"size that gives {max(classes, 1)} to {total} medoids"
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
    similarity: Similarity = "max_minus_distance",
    gamma: float | None = None,
    memory: int = MEMORY,
    device: torch.device | str = "cpu",
) -> Ints:
    """Samples in the cluster that every sample joins, (N,), in one selection of EPIC over all classes.

    `gradients` (N, C) and labels `y` (N,); floor(subset * N) medoids in all, 0 < subset < 1, shared over
    the classes by `class_budgets`, which draws from `generator`.
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
            chosen = medoids(
                gradients[members], budget, similarity, gamma=gamma, memory=memory, device=device
            )
            sizes[members] = chosen.sizes()
    return sizes


def _checked(gradients: NDArray[np.float32], budget: int, memory: int) -> Floats:
    if gradients.ndim != 2 or not gradients.size:
        raise FedgroupError(
            f"gradients must be samples by classes, got an array of shape {gradients.shape}"
        )
    if gradients.dtype != np.float32:
        raise FedgroupError(
            f"gradients must be float32, got {gradients.dtype}: compute the softmax in float32"
        )
    if not 1 <= budget <= len(gradients):
        raise FedgroupError(f"the budget must be 1 to {len(gradients)} medoids, got {budget}")
    if memory < 1:
        raise FedgroupError(f"the memory for a selection must be at least 1 byte, got {memory}")
    bad = np.flatnonzero(~np.isfinite(gradients).all(1))
    if len(bad):
        raise FedgroupError(
            f"the gradients of {len(bad)} of {len(gradients)} samples are not finite, the first is sample "
            f"{bad[0]}: the model has diverged, use a lower learning rate"
        )
    return gradients.astype(np.float64)


def _gamma(similarity: str, gamma: float | None, columns: int) -> float:
    if similarity not in SIMILARITIES:
        raise unknown("similarity", similarity, SIMILARITIES)
    if gamma is None:
        return 1.0 / columns
    if not 0 < gamma < math.inf:
        raise FedgroupError(f"gamma must be positive and finite, got {gamma}")
    return gamma


def _float64(device: torch.device | str) -> torch.device:
    device = torch.device(device)
    if device.type == "mps":
        raise FedgroupError("a selection needs float64, which device 'mps' lacks: use cpu or cuda")
    return device


def _on_line(points: Floats) -> tuple[Floats, float] | None:
    """Coordinate (n,) on the line and the length of its unit, where the points (n, C) lie on one."""
    if points.shape[1] == 1:
        return points[:, 0], 1.0
    if points.shape[1] == 2 and np.abs(points.sum(1)).max() <= ON_LINE:
        return points[:, 1] - points[:, 0], math.sqrt(0.5)
    return None


def _greedy_on_line(
    coordinate: Floats, unit: float, budget: int, similarity: Similarity, gamma: float, memory: int
) -> tuple[list[int], Ints]:
    grid = bits(len(coordinate))
    low = coordinate.min()
    power = grid - exponent(float(coordinate.max() - low))
    steps = whole(coordinate, low, power).astype(np.int64)
    measure = Measure(similarity, gamma, grid, unit * math.ldexp(1.0, -power), 1.0)
    return one_dimension.greedy(steps, budget, measure, memory)


def _greedy_in_space(
    points: Floats,
    budget: int,
    similarity: Similarity,
    gamma: float,
    memory: int,
    device: torch.device,
) -> tuple[list[int], Ints]:
    low, high = points.min(0), points.max(0)
    columns = points.shape[1]
    power = (52 - (columns - 1).bit_length()) // 2 - exponent(float((high - low).max()))
    centred = whole(points, (low + high) / 2, power)
    grid = bits(len(points))
    diagonal = math.sqrt(float(np.square(np.ptp(centred, axis=0)).sum()))
    step = math.ldexp(1.0, grid - exponent(diagonal))
    measure = Measure(similarity, gamma, grid, math.ldexp(1.0, -power), step)
    return blocks.greedy(centred, budget, measure, memory, device)
