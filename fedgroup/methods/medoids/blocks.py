"""Exact greedy facility location for any number of classes: blocked distances, lazy evaluation.

Coordinates are whole numbers small enough that squared distances by matrix product are exact in
float64, so the choice is the same for any block size and on any device. (exp is the one operation that
libraries round differently: exp_minus_gamma_distance may differ between devices, in ties within the grid.)
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from fedgroup.dataset import Ints
from fedgroup.methods.medoids.fixed_point import Floats, Measure
from fedgroup.methods.medoids.lazy_greedy import highest

Rows = Callable[[Tensor], Tensor]


def greedy(
    points: Floats, budget: int, measure: Measure, memory: int, device: torch.device
) -> tuple[list[int], Ints]:
    """Medoids in order of choice while they gain anything, and the cluster (n,) of every sample.

    `points` (n, C) are whole coordinates, small enough that C * (2 * max)**2 is at most 2**53. The matrix
    of similarities is kept where its 8 * n**2 bytes fit into half of `memory`, else recomputed in
    blocks; in both cases at most `memory` bytes are held.
    """
    count = len(points)
    rows = _rows(torch.from_numpy(points).to(device), measure)
    block = max(1, memory // (32 * count))
    if 16 * count * count <= memory:
        rows = _kept(rows, count, block, device)
    best = torch.zeros(count, dtype=torch.float64, device=device)
    cluster = torch.zeros(count, dtype=torch.int64, device=device)
    bounds, index = np.full(count, np.inf), np.arange(count)

    def gains(positions: Ints) -> Floats:
        parts = []
        for at in range(0, len(positions), block):
            found = rows(torch.from_numpy(positions[at : at + block]).to(device))
            parts.append(found.sub_(best).clamp_min_(0.0).sum(1).cpu())
        exact: Floats = torch.cat(parts).numpy()
        return exact

    order: list[int] = []
    while len(order) < budget:
        medoid = highest(bounds, index, gains)
        if bounds[medoid] <= 0:
            break
        similarity = rows(torch.tensor([medoid], device=device))[0]
        nearer = similarity > best
        best = torch.where(nearer, similarity, best)
        cluster[nearer] = len(order)
        bounds[medoid] = 0.0
        order.append(medoid)
    return order, cluster.cpu().numpy()


def _rows(points: Tensor, measure: Measure) -> Rows:
    """Function from (K,) positions to their similarities (K, n), a fresh tensor."""
    squares = points.square().sum(1)

    def rows(positions: Tensor) -> Tensor:
        product = points[positions] @ points.T
        product.mul_(-2.0).add_(squares).add_(squares[positions][:, None])
        return measure(product.sqrt_())

    return rows


def _kept(rows: Rows, count: int, block: int, device: torch.device) -> Rows:
    """The same function, reading from the whole matrix."""
    matrix = torch.empty(count, count, dtype=torch.float64, device=device)
    for start in range(0, count, block):
        stop = min(start + block, count)
        matrix[start:stop] = rows(torch.arange(start, stop, device=device))
    return lambda positions: matrix[positions]
