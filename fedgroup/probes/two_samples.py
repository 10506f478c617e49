"""Statistics of two samples: AUC, Kolmogorov-Smirnov distance and total variation.

All are computed from how often each distinct value occurs in either sample. Each divides once,
after sums of whole numbers.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError

Floats = NDArray[np.float64]


def auc(a: ArrayLike, b: ArrayLike) -> float:
    """Return P(a > b) + P(a = b) / 2 for independent draws from the samples `a` and `b`."""
    _, counts_a, counts_b = _tables(a, b)
    return float(_auc(counts_a, counts_b)[0])


def threshold_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Return the largest gap between the distribution functions of two samples, in [0, 1]."""
    _, counts_a, counts_b = _tables(a, b)
    return float(distribution_gaps(counts_a, counts_b).max())


def total_variation(a: ArrayLike, b: ArrayLike, bins: int | None = None) -> float:
    """Return half the summed absolute difference of frequencies.

    Args:
        a: First sample, (n_a,).
        b: Second sample, (n_b,).
        bins: Bins of equal pooled mass; None: over distinct values.

    Returns:
        Total variation, in [0, 1].
    """
    values, counts_a, counts_b = _tables(a, b)
    starts = np.arange(len(values)) if bins is None else bin_starts((counts_a + counts_b)[0], bins)
    return float(_total_variation(counts_a, counts_b, starts)[0])


def ranked(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Ints, Ints]:
    """Return the distinct values (K,) in ascending order, and every value's rank in them.

    The ranks are (n_a,) of `a` and (n_b,) of `b`. Refuses empty and non-finite samples.
    """
    samples = [np.asarray(sample, np.float64) for sample in (a, b)]
    for name, sample in zip("ab", samples, strict=True):
        if sample.ndim != 1 or not len(sample):
            raise FedgroupError(
                f"sample {name} must be a list of at least one value, got shape {sample.shape}"
            )
        bad = np.flatnonzero(~np.isfinite(sample))
        if len(bad):
            raise FedgroupError(
                f"sample {name} holds {len(bad)} values that are not finite, the first at position "
                f"{bad[0]}: leave these samples out or repair the signal"
            )
    values, inverse = np.unique(np.concatenate(samples), return_inverse=True)
    split = len(samples[0])
    return values, inverse[:split].astype(np.int64), inverse[split:].astype(np.int64)


def rank_counts(ranks: Ints, width: int) -> Ints:
    """Return how often each rank below `width` occurs in each row of (D, n) or (n,): (D, width)."""
    rows = np.atleast_2d(ranks)
    keys = rows + width * np.arange(len(rows))[:, None]
    counts = np.bincount(keys.ravel(), minlength=width * len(rows))
    return counts.reshape(len(rows), width).astype(np.int64)


def bin_starts(pooled: Ints, bins: int) -> Ints:
    """Return the first value of every bin of about equal mass; at most `bins`, none empty.

    pooled (K,) says how often each distinct value occurs in both samples together. Refuses fewer
    than two bins.
    """
    if bins < 2:
        raise FedgroupError(f"a histogram needs at least 2 bins, got {bins}")
    middle = 2 * np.cumsum(pooled) - pooled
    number = middle * bins // (2 * pooled.sum())
    return np.flatnonzero(np.diff(number, prepend=-1)).astype(np.int64)


def statistics(a: Ints, b: Ints, starts: Ints) -> Floats:
    """Compute all three statistics of D pairs of samples.

    Args:
        a: How often each of K values occurs in the first samples, (D, K).
        b: How often it occurs in the second samples, (D, K).
        starts: First value of each bin of the total variation.

    Returns:
        AUC, threshold distance and total variation, (3, D).
    """
    gaps = distribution_gaps(a, b).max(1)
    return np.stack([_auc(a, b), gaps, _total_variation(a, b, starts)])


def distribution_gaps(a: Ints, b: Ints) -> Floats:
    """Return the absolute difference of the distribution functions at every value, (D, K)."""
    size_a, size_b = a.sum(1, keepdims=True), b.sum(1, keepdims=True)
    return np.asarray(np.abs(np.cumsum(a * size_b - b * size_a, axis=1)) / (size_a * size_b))


def _tables(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Ints, Ints]:
    """Return the distinct values (K,) and how often each occurs in `a` and in `b`, (1, K) each."""
    values, first, second = ranked(a, b)
    return values, rank_counts(first, len(values)), rank_counts(second, len(values))


def _auc(a: Ints, b: Ints) -> Floats:
    """Return the AUC of D pairs of counts (D, K), (D,)."""
    twice_below = 2 * np.cumsum(b, axis=1) - b
    return np.asarray((a * twice_below).sum(1) / (2 * a.sum(1) * b.sum(1)))


def _total_variation(a: Ints, b: Ints, starts: Ints) -> Floats:
    """Return the total variation of D pairs of counts (D, K) over bins, (D,)."""
    size_a, size_b = a.sum(1, keepdims=True), b.sum(1, keepdims=True)
    gaps = np.add.reduceat(a * size_b - b * size_a, starts, axis=1)
    return np.asarray(np.abs(gaps).sum(1) / (2 * size_a * size_b)[:, 0])
