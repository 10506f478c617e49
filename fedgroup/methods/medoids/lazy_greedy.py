"""Lazy evaluation: the best candidate, found from upper bounds without computing every gain.

A gain of facility location never grows as medoids are added (submodularity), so the last known gain of
a candidate bounds its present one (Minoux, 1978).
"""

from collections.abc import Callable

import numpy as np

from fedgroup.dataset import Ints
from fedgroup.methods.medoids.fixed_point import Floats

BATCH = 32
"""Candidates of the first evaluation of a search; each further one doubles it."""


def first_highest(bounds: Floats, index: Ints) -> int:
    """Position of the largest bound, of the lowest `index` on ties; both (n,)."""
    tied = np.flatnonzero(bounds == bounds.max())
    return int(tied[np.argmin(index[tied])])


def highest(
    bounds: Floats, index: Ints, gains: Callable[[Ints], Floats], batch: int = BATCH
) -> int:
    """Position of the largest gain, of the lowest `index` on ties.

    `bounds` (n,) are at least the gains and are tightened in place; `gains(positions)` computes exact
    ones. A candidate is skipped only while its bound is below a gain already known. Where no gain is
    above zero, the position returned has a bound of zero or less.
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
