"""Stacks of hostile values, and plain references of the coordinate-wise kernels."""

import numpy as np

from strategies.kernels.sorting_networks import MAX_WIRES

TINY = float(np.finfo(np.float32).smallest_subnormal)
HOSTILE = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    1.5,
    np.inf,
    -np.inf,
    TINY,
    -TINY,
    5 * TINY,
    1e38,
    -1e38,
    3e38,
    -3e38,
    1e-30,
]
VALUES = np.array(HOSTILE, np.float32)
SIZES = [*range(1, MAX_WIRES + 1), MAX_WIRES + 1, 100]


def hostile(n: int, seed: int, columns: int = 61) -> np.ndarray:
    """Half hostile values with many ties, half ordinary ones; (n, columns)."""
    rng = np.random.default_rng(seed)
    stack = rng.standard_normal((n, columns)).astype(np.float32)
    odd = rng.random((n, columns)) < rng.random(columns)
    stack[odd] = rng.choice(VALUES, size=int(odd.sum()))
    return stack


def reference_median(stack: np.ndarray) -> np.ndarray:
    """np.median, but for the finite midpoint where its half-sum overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        expected = np.median(stack, axis=0)
        ranked = np.sort(stack, axis=0)
        low, high = ranked[(len(stack) - 1) // 2], ranked[len(stack) // 2]
        lost = np.isinf(expected) & np.isfinite(low) & np.isfinite(high)
        return np.where(lost, np.float32(0.5) * low + np.float32(0.5) * high, expected)


def reference_trim(stack: np.ndarray, trim: int) -> np.ndarray:
    ranked = np.sort(stack, axis=0)[trim : len(stack) - trim]
    with np.errstate(over="ignore", invalid="ignore"):
        total = ranked[0].copy()
        for row in ranked[1:]:
            total += row
        total /= np.float32(len(ranked))
    total[np.isnan(stack).any(axis=0)] = np.nan
    return total


def same(left: np.ndarray, right: np.ndarray) -> None:
    np.testing.assert_array_equal(left, right)
    assert left.dtype == right.dtype == np.float32
