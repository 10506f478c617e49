"""Lazy evaluation of a greedy step: the best candidate without computing every gain.

A gain of facility location never grows as medoids are added (submodularity), so the last computed
gain of a candidate bounds its present one (Minoux, Accelerated Greedy Algorithms for Maximizing
Submodular Set Functions, 1978). Here candidates are evaluated in batches, largest bounds first.
"""

from collections.abc import Callable

import numpy as np

from fedgroup.dataset import Ints
from fedgroup.methods.medoids.fixed_point import Floats

BATCH = 32
"""Candidates of the first evaluation of a search; each further one doubles it."""


def first_highest(bounds: Floats, index: Ints) -> int:
    """Return the position of the largest bound, of the lowest `index` on ties; both are (n,)."""
    tied = np.flatnonzero(bounds == bounds.max())
    return int(tied[np.argmin(index[tied])])


def highest(
    bounds: Floats, index: Ints, gains: Callable[[Ints], Floats], batch: int = BATCH
) -> int:
    """Return the position of the largest gain, of the lowest `index` on ties.

    A candidate is skipped only while its bound is below a gain that was computed.

    Args:
        bounds: Upper bounds of the gains, (n,); tightened in place.
        index: Order of candidates that tie, (n,).
        gains: Function from positions (k,) to their exact gains (k,).
        batch: Candidates of the first evaluation.

    Returns:
        The position; where no gain is above zero, one with a bound of zero or less.
    """
    fresh = np.zeros(len(bounds), np.bool_)
    floor = 0.0
    while True:
        position = first_highest(bounds, index)
        if fresh[position] or bounds[position] <= 0:
            return position
        stale = np.flatnonzero(~fresh & (bounds >= floor) & (bounds > 0))
        if len(stale) > batch:
            stale = stale[np.argpartition(bounds[stale], -batch)[-batch:]]
        bounds[stale] = gains(stale)
        fresh[stale] = True
        floor = max(floor, float(bounds[stale].max()))
        batch *= 2
