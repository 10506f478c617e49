"""Numbers that compare two runs: joins by seed, never computed inside a run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedgroup.errors import FedgroupError


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (ddof=1; NaN for one value) over n seeds."""

    mean: float
    std: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise the values of n seeds."""
        if not values:
            raise FedgroupError("no finished run to summarise")
        std = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
        return cls(float(np.mean(values)), std, len(values))


@dataclass(frozen=True)
class Drop:
    """Drop of a defended run against FedAvg, in percentage points; positive = the defence is worse.

    `spread` is over the paired differences of equal seeds; `unpaired_std` is sqrt(s_a^2 + s_b^2);
    `low` and `high` bound the 95 % t interval of the paired mean (NaN for one seed).
    """

    spread: Spread
    unpaired_std: float
    low: float
    high: float


def paired_drop(baseline: Sequence[float], defended: Sequence[float]) -> Drop:
    """Drop over seeds (spec federated 4): both sequences (n,) in the same seed order, in percent."""
    if len(baseline) != len(defended):
        raise FedgroupError(f"{len(baseline)} baseline values for {len(defended)} defended ones")
    spread = Spread.of([a - b for a, b in zip(baseline, defended, strict=True)])
    if spread.n < 2:
        return Drop(spread, math.nan, math.nan, math.nan)
    from scipy.stats import t

    unpaired = math.hypot(float(np.std(baseline, ddof=1)), float(np.std(defended, ddof=1)))
    half = float(t.ppf(0.975, spread.n - 1)) * spread.std / math.sqrt(spread.n)
    return Drop(spread, unpaired, spread.mean - half, spread.mean + half)
