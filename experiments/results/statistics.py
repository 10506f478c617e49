"""Numbers that compare two runs: joins by seed, never computed inside a run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedgroup.errors import FedgroupError


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation over n seeds."""

    mean: float
    std: float
    """With ddof=1, as the paper prints it; NaN for one value."""
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise the values (n,) of n seeds; refuse none."""
        if not values:
            raise FedgroupError("no finished run to summarise")
        std = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
        return cls(float(np.mean(values)), std, len(values))


@dataclass(frozen=True)
class Drop:
    """Baseline minus defended, in percentage points; positive: the defence is worse."""

    spread: Spread
    """Over the paired differences of equal seeds."""
    unpaired_std: float
    """sqrt(s_a^2 + s_b^2) of the two standard deviations; NaN for one seed."""
    low: float
    """Lower end of the 95 % t interval of the paired mean; NaN for one seed."""
    high: float
    """Upper end."""


def paired_drop(baseline: Sequence[float], defended: Sequence[float]) -> Drop:
    """Return the drop over seeds, as Table 9 of the paper (appendix A.3) prints it.

    Both sequences (n,) are in percent and in the same order of seeds; other lengths are refused.
    """
    if len(baseline) != len(defended):
        raise FedgroupError(f"{len(baseline)} baseline values for {len(defended)} defended ones")
    spread = Spread.of([a - b for a, b in zip(baseline, defended, strict=True)])
    if spread.n < 2:
        return Drop(spread, math.nan, math.nan, math.nan)
    from scipy.stats import t

    unpaired = math.hypot(float(np.std(baseline, ddof=1)), float(np.std(defended, ddof=1)))
    half = float(t.ppf(0.975, spread.n - 1)) * spread.std / math.sqrt(spread.n)
    return Drop(spread, unpaired, spread.mean - half, spread.mean + half)
