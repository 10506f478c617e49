"""Exact greedy facility location on a line: the case of two classes.

Softmax gradients of two classes are (q, -q): all samples lie on one line. Between two adjacent
medoids a new one changes nothing outside, so each stretch between medoids keeps its own best
candidate in a heap; a step takes the best stretch, splits it and searches the two halves. With
M - d, prefix sums over the sorted values give all gains of a stretch in one pass: O(n log n) where
the splits balance. With other similarities a stretch is searched lazily (Minoux, 1978). Equal
values are one point with a weight. The method is ours; its result is that of the greedy algorithm
of Nemhauser, Wolsey and Fisher (1978).
"""

import heapq
from dataclasses import dataclass

import numpy as np
import torch

from fedgroup.dataset import Ints
from fedgroup.methods.medoids.fixed_point import Floats, Similarity
from fedgroup.methods.medoids.lazy_greedy import first_highest, highest

Stretch = tuple[float, int, int, int, int]
"""-gain, first sample and rank of the best candidate, then the ranks [start, stop) of the
stretch."""


@dataclass(frozen=True, eq=False)
class _Line:
    """K distinct values in ascending order, and what the medoids chosen so far give them."""

    similarity: Similarity
    """Turns distances into similarities."""
    memory: int
    """Bytes that may be held at once."""
    value: Ints
    """(K,) coordinate in steps; neighbours differ."""
    first: Ints
    """(K,) lowest index of a sample of this value."""
    weight: Ints
    """(K,) samples of this value."""
    mass: Ints
    """(K + 1,) sums of weight before each rank."""
    moment: Ints
    """(K + 1,) sums of weight * value before each rank."""
    best: Floats
    """(K,) similarity to the most similar medoid, 0 before there is one."""
    cluster: Ints
    """(K,) number of that medoid in order of choice, the earliest on ties."""
    bounds: Floats
    """(K,) upper bounds of the gains."""


def greedy(
    coordinate: Ints, budget: int, similarity: Similarity, memory: int
) -> tuple[list[int], Ints]:
    """Choose medoids greedily while they gain anything.

    Args:
        coordinate: Position of each sample in whole steps, (n,), at most 2**bits apart.
        budget: Medoids at most.
        similarity: Turns distances into similarities.
        memory: Bytes that may be held at once.

    Returns:
        Positions of the medoids in order of choice, fewer than `budget` where every further gain is
        zero, and the cluster (n,) of every sample.
    """
    value, first, inverse, weight = np.unique(
        coordinate, return_index=True, return_inverse=True, return_counts=True
    )
    count = len(value)
    line = _Line(
        similarity=similarity,
        memory=memory,
        value=value,
        first=first,
        weight=weight,
        mass=np.concatenate([[0], np.cumsum(weight)]),
        moment=np.concatenate([[0], np.cumsum(weight * value)]),
        best=np.zeros(count),
        cluster=np.zeros(count, np.int64),
        bounds=np.full(count, np.inf),
    )
    heap: list[Stretch] = []
    order: list[int] = []
    _push(heap, line, 0, count)
    while heap and len(order) < budget:
        _, sample, rank, start, stop = heapq.heappop(heap)
        _choose(line, rank, start, stop, len(order))
        order.append(sample)
        _push(heap, line, start, rank)
        _push(heap, line, rank + 1, stop)
    return order, line.cluster[inverse]


def _push(heap: list[Stretch], line: _Line, start: int, stop: int) -> None:
    """Put the stretch on the heap with its best candidate, unless nothing in it gains anything."""
    if start == stop:
        return
    bounds, first = line.bounds[start:stop], line.first[start:stop]
    if line.similarity.name == "max_minus_distance":
        bounds[:] = _linear_gains(line, start, stop)
        best = first_highest(bounds, first)
    else:
        best = highest(bounds, first, lambda positions: _gains(line, start, stop, positions))
    if bounds[best] > 0:
        rank = start + best
        heapq.heappush(heap, (-float(bounds[best]), int(line.first[rank]), rank, start, stop))


def _choose(line: _Line, rank: int, start: int, stop: int, number: int) -> None:
    """Let the samples of the stretch that are strictly nearer to the new medoid join it."""
    distance = np.abs(line.value[start:stop] - line.value[rank])
    similarity = line.similarity(torch.from_numpy(distance.astype(np.float64))).numpy()
    nearer = similarity > line.best[start:stop]
    line.best[start:stop][nearer] = similarity[nearer]
    line.cluster[start:stop][nearer] = number


def _linear_gains(line: _Line, start: int, stop: int) -> Floats:
    """Return the gains under M - d of all candidates of a stretch, (stop - start,).

    A candidate c between medoids L and R wins the samples between the midpoints (L + c) / 2 and
    (c + R) / 2; its gain is the sum of their distances to L or R less that of their distances to c.
    """
    value, mass, moment = line.value, line.mass, line.moment
    here = value[start:stop]
    rank = np.arange(start, stop)
    low, high = np.full(len(here), start), np.full(len(here), stop)
    doubled = 2 * here
    if start > 0:
        low = start + np.searchsorted(doubled, value[start - 1] + here, side="right")
    if stop < len(value):
        high = start + np.searchsorted(doubled, here + value[stop], side="left")
    now = line.similarity.top - line.best[start:stop]
    covered = np.concatenate([[0.0], np.cumsum(line.weight[start:stop] * now)])
    left = here * (mass[rank] - mass[low]) - (moment[rank] - moment[low])
    right = (moment[high] - moment[rank]) - here * (mass[high] - mass[rank])
    gains: Floats = covered[high - start] - covered[low - start] - (left + right)
    return gains


def _gains(line: _Line, start: int, stop: int, positions: Ints) -> Floats:
    """Return the gains of candidates start + positions (k,), (k,), under any similarity."""
    here = torch.from_numpy(line.value[start:stop].astype(np.float64))
    best = torch.from_numpy(line.best[start:stop])
    weight = torch.from_numpy(line.weight[start:stop].astype(np.float64))
    rows = max(1, line.memory // (16 * len(here)))
    parts = []
    for first in range(0, len(positions), rows):
        chosen = here[torch.from_numpy(positions[first : first + rows])]
        block = line.similarity((chosen[:, None] - here).abs_())
        parts.append(block.sub_(best).clamp_min_(0.0) @ weight)
    gains: Floats = torch.cat(parts).numpy()
    return gains
