"""Exact top-k by magnitude in about one pass over the vector."""

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from strategies.aggregator import Vector
from strategies.kernels.chunks import map_blocks

_SAMPLE_EVERY = 64
"""Distance of the values from which the bound is guessed."""
_MARGIN = 1.15
"""The bound is guessed for so many times k values: a sample errs."""
_HALVINGS = 4
"""The bound is halved so often before all values are candidates."""


def top_k(values: Vector, k: int, *, threads: int | None = None) -> NDArray[np.int64]:
    """Select the k largest magnitudes; ties go to the lowest index.

    A lower bound guessed from every 64th value leaves few candidates, among which the selection is
    exact; a bad guess costs time, never correctness.

    Args:
        values: Vector (D,) float32.
        k: How many, in 1..D.
        threads: Threads; None: see `chunks.num_threads`.

    Returns:
        Their indices, (k,), ascending.

    Raises:
        FedgroupError: k is not in 1..D, or a value is NaN.
    """
    size = len(values)
    if not 1 <= k <= size:
        raise FedgroupError(f"cannot select the top {k} of {size} values: k must be in 1..{size}")
    if k == size:
        return np.arange(size, dtype=np.int64)
    bound = _guess(values, k)
    for _ in range(_HALVINGS):
        candidates = _at_least(values, bound, threads)
        if len(candidates) >= k or bound == 0:
            break
        bound = bound * np.float32(0.5)
    else:
        bound = np.float32(0)
        candidates = _at_least(values, bound, threads)
    # fewer than k values may be nonzero: the tie at zero goes to the lowest indices
    if len(candidates) < k:
        zeros = np.flatnonzero(values == 0)[: k - len(candidates)]
        return np.sort(np.concatenate([candidates, zeros]))
    return candidates[_exact(np.abs(values[candidates]), k)]


def _guess(values: Vector, k: int) -> np.float32:
    """Guess the magnitude that about 1.15 k values reach; 0 where the sample cannot tell."""
    sample = np.abs(values[::_SAMPLE_EVERY])
    rank = int(_MARGIN * k / _SAMPLE_EVERY) + 1
    if rank >= len(sample):
        return np.float32(0)
    guess = np.float32(np.partition(sample, len(sample) - rank)[len(sample) - rank])
    return guess if np.isfinite(guess) else np.float32(np.finfo(np.float32).max)


def _at_least(values: Vector, bound: np.float32, threads: int | None) -> NDArray[np.int64]:
    """Return the indices of |value| >= bound, ascending; of nonzero values if the bound is 0."""

    def gather(low: int, high: int) -> NDArray[np.int64]:
        size = np.abs(values[low:high])
        if np.isnan(size.max()):
            raise FedgroupError(
                f"cannot rank values by magnitude: NaN between index {low} and {high}"
            )
        return np.flatnonzero(size >= bound if bound else size) + low

    return np.concatenate(map_blocks(len(values), gather, threads=threads))


def _exact(sizes: Vector, k: int) -> NDArray[np.int64]:
    """Return the positions of the k largest sizes, ascending; ties go to the lowest position."""
    cut = np.partition(sizes, len(sizes) - k)[len(sizes) - k]
    keep = sizes > cut
    ties = np.flatnonzero(sizes == cut)[: k - int(np.count_nonzero(keep))]
    keep[ties] = True
    return np.flatnonzero(keep)
