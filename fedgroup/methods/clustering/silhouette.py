"""Exact silhouettes: how much nearer a sample is to its own cluster than to the next.

s = (b - a) / max(a, b) with a the mean Euclidean distance to the other members of the own cluster
and b the lowest mean distance to another cluster; 0 in a cluster of one (Rousseeuw, Silhouettes,
Journal of Computational and Applied Mathematics, 1987). GEORGE maximises the macro mean (over
clusters), which can prefer another number of clusters than the usual micro mean (over samples).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError

Floats = NDArray[np.float64]

MEMORY = 256 * 2**20
"""Bytes that a block of distances may take; the values depend on it by float rounding alone."""


def silhouettes(points: Floats, labelings: Sequence[Ints], memory: int = MEMORY) -> list[Floats]:
    """Return the silhouette of every sample under each labelling.

    One-dimensional points take O(N log N) and no distance matrix; others compute each block of
    distances once for all labellings.

    Args:
        points: N points, (N, D).
        labelings: Clusters of the points, (N,) each, ids 0, 1, 2, ... (unused ids are allowed) with
            at least two clusters in use.
        memory: Bytes that a block of distances may take.

    Returns:
        For each labelling, silhouettes (N,) float64 in [-1, 1].

    Raises:
        FedgroupError: where points are not finite or a labelling does not fit them.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or not np.isfinite(points).all():
        raise FedgroupError(f"silhouettes need finite points (N, D), got shape {points.shape}")
    for labels in labelings:
        if labels.shape != points.shape[:1]:
            raise FedgroupError(
                f"{labels.shape} labels for {len(points)} points: give one per point"
            )
        if len(labels) == 0 or labels.min() < 0 or len(np.unique(labels)) < 2:
            raise FedgroupError("silhouettes need at least two clusters, numbered from 0")
    if points.shape[1] > 1:
        sums = _sums_in_blocks(points, labelings, memory)
        return [_from_sums(total, labels) for total, labels in zip(sums, labelings, strict=True)]
    order = np.argsort(points[:, 0], kind="stable")
    out = [np.empty(len(points)) for _ in labelings]
    for values, labels in zip(out, labelings, strict=True):
        values[order] = _from_sums(_sums_on_a_line(points[order, 0], labels[order]), labels[order])
    return out


def macro(values: Floats, labels: Ints) -> float:
    """Return the unweighted mean over clusters of the cluster's mean silhouette; both (N,)."""
    counts = np.bincount(labels)
    means = np.bincount(labels, weights=values)[counts > 0] / counts[counts > 0]
    return float(means.mean())


def _sums_on_a_line(x: Floats, labels: Ints) -> Floats:
    """Return the sums of |x_i - s| over the members s of each cluster, (K, N); x (N,) ascends.

    With r of the m members at or before x and P_r their sum, a sum is x*r - P_r + (P_m - P_r)
    - x*(m - r). Each cluster is centred first: otherwise a far offset would eat the digits of small
    distances.
    """
    sums = np.zeros((int(labels.max()) + 1, len(x)))
    for cluster in np.unique(labels):
        inside = labels == cluster
        v = x - x[inside].mean()
        left = np.cumsum(inside)
        below = np.cumsum(np.where(inside, v, 0.0))
        sums[cluster] = v * (2 * left - left[-1]) - 2 * below + below[-1]
    return np.maximum(sums, 0.0, out=sums)


def _sums_in_blocks(points: Floats, labelings: Sequence[Ints], memory: int) -> list[Floats]:
    """Return the sums of distances to the members of each cluster, one (K, N) per labelling."""
    from scipy.spatial.distance import cdist

    sizes = [int(labels.max()) + 1 for labels in labelings]
    members = np.concatenate(
        [np.arange(size)[:, None] == labels for size, labels in zip(sizes, labelings, strict=True)]
    ).astype(np.float64)
    sums = np.empty((sum(sizes), len(points)))
    rows = max(1, memory // (8 * len(points)))
    for start in range(0, len(points), rows):
        sums[:, start : start + rows] = members @ cdist(points, points[start : start + rows])
    return np.split(sums, np.cumsum(sizes)[:-1])


def _from_sums(sums: Floats, labels: Ints) -> Floats:
    """Return silhouettes (N,) from the sums of distances (K, N)."""
    counts = np.bincount(labels, minlength=len(sums))
    everyone = np.arange(len(labels))
    own = counts[labels]
    inner = sums[labels, everyone] / np.maximum(own - 1, 1)
    means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], np.inf)
    means[labels, everyone] = np.inf
    outer: Floats = means.min(0)
    scale = np.maximum(inner, outer)
    values = np.divide(outer - inner, scale, out=np.zeros_like(scale), where=scale > 0)
    values[own == 1] = 0.0
    return values
