"""Exact greedy facility location for any number of classes: blocked distances, lazy evaluation.

The greedy algorithm of Nemhauser, Wolsey and Fisher (1978), with the lazy evaluation of Minoux
(1978). Coordinates are whole numbers small enough that squared distances by matrix product are
exact in float64, so the choice is the same for any block size and on any device. (exp is the one
operation that libraries round differently: exp_minus_gamma_distance may differ between devices,
where gains tie within a step of the similarities.)
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fedgroup.dataset import Ints
from fedgroup.methods.medoids.fixed_point import Floats, Similarity
from fedgroup.methods.medoids.lazy_greedy import highest

Rows = Callable[[Tensor], Tensor]
"""Function from positions (k,) to their similarities to all samples (k, n)."""


def greedy(
    points: Floats, budget: int, similarity: Similarity, memory: int, device: torch.device
) -> tuple[list[int], Ints]:
    """Choose medoids greedily while they gain anything.

    The matrix of similarities is kept where its 8 * n**2 bytes fit into half of `memory`, else
    recomputed in blocks; in both cases at most `memory` bytes are held.

    Args:
        points: Whole coordinates, (n, C), small enough that C * (2 * max)**2 is at most 2**53.
        budget: Medoids at most.
        similarity: Turns distances into similarities.
        memory: Bytes that may be held at once.
        device: Where distances are computed, in float64.

    Returns:
        Positions of the medoids in order of choice, and the cluster (n,) of every sample.
    """
    count = len(points)
    rows = _rows(torch.from_numpy(points).to(device), similarity)
    block = max(1, memory // (32 * count))
    if 16 * count * count <= memory:
        rows = _kept(rows, count, block, device)
    best = torch.zeros(count, dtype=torch.float64, device=device)
    cluster = torch.zeros(count, dtype=torch.int64, device=device)
    bounds, index = np.full(count, np.inf), np.arange(count)

    def gains(positions: Ints) -> Floats:
        parts = []
        for start in range(0, len(positions), block):
            similarities = rows(torch.from_numpy(positions[start : start + block]).to(device))
            parts.append(similarities.sub_(best).clamp_min_(0.0).sum(1).cpu())
        exact: Floats = torch.cat(parts).numpy()
        return exact

    order: list[int] = []
    while len(order) < budget:
        medoid = highest(bounds, index, gains)
        if bounds[medoid] <= 0:
            break
        row = rows(torch.tensor([medoid], device=device))[0]
        nearer = row > best
        best = torch.where(nearer, row, best)
        cluster[nearer] = len(order)
        bounds[medoid] = 0.0
        order.append(medoid)
    return order, cluster.cpu().numpy()


def _rows(points: Tensor, similarity: Similarity) -> Rows:
    """Return the function that computes similarities, each time as a fresh tensor."""
    squares = points.square().sum(1)

    def rows(positions: Tensor) -> Tensor:
        product = points[positions] @ points.T
        product.mul_(-2.0).add_(squares).add_(squares[positions][:, None])
        return similarity(product.sqrt_())

    return rows


def _kept(rows: Rows, count: int, block: int, device: torch.device) -> Rows:
    """Return the same function, reading from the whole matrix."""
    matrix = torch.empty(count, count, dtype=torch.float64, device=device)
    for start in range(0, count, block):
        stop = min(start + block, count)
        matrix[start:stop] = rows(torch.arange(start, stop, device=device))
    return lambda positions: matrix[positions]
