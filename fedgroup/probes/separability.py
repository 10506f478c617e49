"""Can a rule that looks only at a signal treat two groups of samples differently? At most by TV.

A defence and a group-robust method both act on how difficult a sample looks. Let P and Q be the
distributions of such a signal over poisons and over LRG-1, and let a rule select a sample of signal
x with probability r(x) in [0, 1] (0 or 1 where the rule is not randomised).

    P[selected] - Q[selected] = sum_x r(x) (P(x) - Q(x)) <= sum_x max(P(x) - Q(x), 0) = TV(P, Q),

because 0 <= r(x) <= 1, and the last sum is half of sum_x |P(x) - Q(x)| as both P and Q sum to 1.
Exchange P and Q for the other sign; equality holds for r(x) = 1 where P(x) > Q(x), so TV is tight.

TV can be read off a sample only for discrete signals. Where all values differ, some rule separates
the sample perfectly (TV 1 in-sample) and means nothing, so rules are restricted: to one threshold
(Kolmogorov-Smirnov distance), or to unions of bins of equal mass, chosen without looking at the
groups (histogram TV). Both bound the rules of their family only, and are at most the TV of the
population's distributions. In a sample both are biased upwards, as is the discrete TV: noise never
cancels in a sum of absolute differences. `compare` therefore also gives the mean under random
relabelling ("chance"): the value that two equal distributions would show. Only what exceeds it
speaks of a difference.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError
from fedgroup.probes.two_samples import (
    Floats,
    bin_starts,
    distribution_gaps,
    rank_counts,
    ranked,
    statistics,
)

DrawnRanks = Iterator[tuple[Ints, Ints]]
"""Chunks of drawn samples: ranks of group a (D, n_a) and of group b (D, n_b)."""

RANKS_AT_ONCE = 1 << 18
"""Ranks held at once while resampling."""


@dataclass(frozen=True)
class Estimate:
    """A statistic and its percentile bootstrap interval (Efron, 1979)."""

    value: float
    """Of the samples themselves."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""


@dataclass(frozen=True)
class Separability:
    """How far a signal separates sample a (poisons) from sample b (LRG-1); plain values."""

    count_a: int
    """Values in sample a."""
    count_b: int
    """Values in sample b."""
    auc: Estimate
    """P(a > b) + P(a = b) / 2; 0.5 is no ordering, 0 and 1 are perfect ones."""
    threshold_distance: Estimate
    """Largest gap in selection rates of a rule with one threshold (Kolmogorov-Smirnov distance)."""
    threshold: float
    """The signal at which it is reached, by selecting values up to and including it (the lowest on
    ties)."""
    threshold_distance_chance: float
    """Mean threshold distance after random relabelling."""
    total_variation: Estimate
    """Total-variation distance: exact over values if `discrete`, else over the bins of `edges`."""
    total_variation_chance: float
    """Mean total variation after random relabelling: its upward bias without a difference."""
    discrete: bool
    """Whether values repeat for a reason."""
    edges: tuple[float, ...]
    """Lowest value of each bin, then the highest value of the last; empty if discrete."""
    draws: int
    """Resamples behind the intervals, and relabellings behind chance."""
    level: float
    """Coverage of the intervals."""


def compare(
    a: ArrayLike,
    b: ArrayLike,
    generator: np.random.Generator,
    *,
    discrete: bool,
    bins: int = 10,
    draws: int = 2000,
    level: float = 0.95,
) -> Separability:
    """Compute all separability statistics of a signal.

    Args:
        a: Values of group a, (n_a,).
        b: Values of group b, (n_b,).
        generator: Draws resamples and relabellings.
        discrete: Whether values repeat for a reason (a count, a prediction): total variation is
            then exact over values, else over bins.
        bins: Bins at most, of equal pooled mass; equal values share one.
        draws: Bootstrap resamples of each group, and as many relabellings.
        level: Coverage of the intervals.

    Returns:
        The statistics with their intervals and their means under relabelling.

    Raises:
        FedgroupError: on empty or non-finite samples, and settings out of range.
    """
    if draws < 1 or not 0 < level < 1:
        raise FedgroupError(
            f"draws {draws} must be at least 1 and level {level} strictly between 0 and 1"
        )
    values, first, second = ranked(a, b)
    counts_a, counts_b = rank_counts(first, len(values)), rank_counts(second, len(values))
    starts = np.arange(len(values)) if discrete else bin_starts((counts_a + counts_b)[0], bins)
    observed = statistics(counts_a, counts_b, starts)[:, 0]
    spread = _over(_resamples(first, second, draws, generator), len(values), starts)
    chance = _over(_relabellings(first, second, draws, generator), len(values), starts).mean(1)
    low, high = np.quantile(spread, [(1 - level) / 2, (1 + level) / 2], axis=1)
    estimates = [Estimate(*map(float, each)) for each in zip(observed, low, high, strict=True)]
    return Separability(
        count_a=len(first),
        count_b=len(second),
        auc=estimates[0],
        threshold_distance=estimates[1],
        threshold=float(values[distribution_gaps(counts_a, counts_b).argmax()]),
        threshold_distance_chance=float(chance[1]),
        total_variation=estimates[2],
        total_variation_chance=float(chance[2]),
        discrete=discrete,
        edges=() if discrete else (*values[starts].tolist(), float(values[-1])),
        draws=draws,
        level=level,
    )


def _resamples(first: Ints, second: Ints, draws: int, generator: np.random.Generator) -> DrawnRanks:
    """Draw each group anew from itself (bootstrap), in chunks of rows (D, n_a) and (D, n_b)."""
    for size in _chunks(draws, len(first) + len(second)):
        picks = generator.integers(0, len(first), (size, len(first)))
        yield first[picks], second[generator.integers(0, len(second), (size, len(second)))]


def _relabellings(
    first: Ints, second: Ints, draws: int, generator: np.random.Generator
) -> DrawnRanks:
    """Shuffle both groups together and part them again (permutation), in the same chunks."""
    pooled = np.concatenate([first, second])
    for size in _chunks(draws, len(pooled)):
        order = generator.permuted(np.tile(pooled, (size, 1)), axis=1)
        yield order[:, : len(first)], order[:, len(first) :]


def _chunks(draws: int, width: int) -> Iterator[int]:
    """Yield the sizes of chunks of draws, each of at most RANKS_AT_ONCE ranks."""
    size = max(1, RANKS_AT_ONCE // width)
    for done in range(0, draws, size):
        yield min(size, draws - done)


def _over(drawn: DrawnRanks, width: int, starts: Ints) -> Floats:
    """Return the statistics of all draws, (3, draws)."""
    return np.concatenate(
        [statistics(rank_counts(a, width), rank_counts(b, width), starts) for a, b in drawn], axis=1
    )
