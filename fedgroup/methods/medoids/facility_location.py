"""EPIC's medoids of one class: greedy facility location in gradient space.

EPIC (Yang et al., ICML 2022) takes per class the medoids S that maximise F(S) = sum_i max_{j in S}
s_ij, greedily (Nemhauser, Wolsey and Fisher, 1978: at least 1 - 1/e of the best F), lets every
sample join its most similar medoid and drops the samples in clusters of one: the isolated ones.
Here the greedy choice is exact and has one set of bits: it equals the plain greedy over the whole
matrix of similarities, rounded once as fixed_point.py says, with ties to the lowest index. That
matters: with two classes ties are the rule (the two middle samples of an even stretch), and where
sums of floats break them by rounding noise a quarter to two fifths of the medoids differ from one
implementation to the next.
"""

import math
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
    Similarity,
    SimilarityName,
    bits,
    exponent,
    whole,
)

MEMORY = 1 << 28
"""Bytes that may be held at once, unless told otherwise."""
ON_LINE = 1e-5
"""Two columns whose rows sum to at most this lie on a line, as those of two classes do."""


@dataclass(frozen=True, eq=False)
class Medoids:
    """B medoids of n samples and the cluster of every sample."""

    order: Ints
    """(B,) positions of the medoids, in the order of their choice."""
    cluster: Ints
    """(n,) the medoid that each sample joins, as a position in `order`; the earliest on ties."""
    weights: Ints
    """(B,) samples per cluster; an empty cluster counts 1."""

    def sizes(self) -> Ints:
        """Return the samples in the cluster of each sample, (n,)."""
        return self.weights[self.cluster]


def choose_medoids(
    gradients: NDArray[np.float32],
    budget: int,
    similarity: SimilarityName = "max_minus_distance",
    *,
    gamma: float | None = None,
    memory: int = MEMORY,
    device: torch.device | str = "cpu",
) -> Medoids:
    """Choose exactly `budget` medoids of one class greedily; ties go to the lowest index.

    Steps that gain nothing take the lowest index left. One column, or two that sum to zero, are
    solved on the CPU by the method for a line; everything else on `device`.

    Args:
        gradients: softmax - one-hot of n samples, (n, C) float32.
        budget: Number of medoids, 1 to n.
        similarity: How a distance becomes a similarity.
        gamma: Rate of exp_minus_gamma_distance; None: 1 / C.
        memory: Bytes that may be held at once (about), beside O(n * C).
        device: Where distances are computed, in float64.

    Returns:
        The medoids and the clusters.

    Raises:
        FedgroupError: on an empty or non-finite input, an unknown similarity, a budget outside
            1..n and a device without float64.
    """
    points = _checked(gradients, budget, memory)
    rate = _gamma(similarity, gamma, points.shape[1])
    line = _on_line(points)
    if line is not None:
        coordinate, unit = line
        order, cluster = _greedy_on_line(coordinate, unit, budget, similarity, rate, memory)
    else:
        order, cluster = _greedy_in_space(
            points, budget, similarity, rate, memory, _float64(device)
        )
    left = np.ones(len(points), np.bool_)
    left[order] = False
    chosen = np.concatenate(
        [np.array(order, np.int64), np.flatnonzero(left)[: budget - len(order)]]
    )
    weights = np.bincount(cluster, minlength=budget).astype(np.int64)
    return Medoids(chosen, cluster, np.maximum(weights, 1))


def _checked(gradients: NDArray[np.float32], budget: int, memory: int) -> Floats:
    """Return the gradients in float64; refuse what cannot be clustered."""
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
            f"the gradients of {len(bad)} of {len(gradients)} samples are not finite, the first "
            f"is sample {bad[0]}: the model has diverged, use a lower learning rate"
        )
    return gradients.astype(np.float64)


def _gamma(similarity: str, gamma: float | None, columns: int) -> float:
    """Return the rate of exp_minus_gamma_distance; refuse an unknown similarity and a bad rate."""
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
    """Return coordinates (n,) on a line and the length of their unit; None where there is none."""
    if points.shape[1] == 1:
        return points[:, 0], 1.0
    if points.shape[1] == 2 and np.abs(points.sum(1)).max() <= ON_LINE:
        return points[:, 1] - points[:, 0], math.sqrt(0.5)
    return None


def _greedy_on_line(
    coordinate: Floats,
    unit: float,
    budget: int,
    name: SimilarityName,
    gamma: float,
    memory: int,
) -> tuple[list[int], Ints]:
    digits = bits(len(coordinate))
    low = coordinate.min()
    power = digits - exponent(float(coordinate.max() - low))
    steps = whole(coordinate, low, power).astype(np.int64)
    similarity = Similarity(name, gamma, digits, unit * math.ldexp(1.0, -power), 1.0)
    return one_dimension.greedy(steps, budget, similarity, memory)


def _greedy_in_space(
    points: Floats,
    budget: int,
    name: SimilarityName,
    gamma: float,
    memory: int,
    device: torch.device,
) -> tuple[list[int], Ints]:
    low, high = points.min(0), points.max(0)
    columns = points.shape[1]
    power = (52 - (columns - 1).bit_length()) // 2 - exponent(float((high - low).max()))
    centred = whole(points, (low + high) / 2, power)
    digits = bits(len(points))
    diagonal = math.sqrt(float(np.square(np.ptp(centred, axis=0)).sum()))
    step = math.ldexp(1.0, digits - exponent(diagonal))
    similarity = Similarity(name, gamma, digits, math.ldexp(1.0, -power), step)
    return blocks.greedy(centred, budget, similarity, memory, device)
