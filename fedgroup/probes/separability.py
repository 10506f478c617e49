"""Can any rule that looks only at a signal treat two groups of samples differently? By at most their TV.

A defence and a group-robust method both act on how difficult a sample looks. Let P and Q be the
distributions of such a signal over poisons and over LRG-1, and let a rule select a sample of signal x with
probability r(x) in [0, 1] (0 or 1 where the rule is not randomised).

    P[selected] - Q[selected] = sum_x r(x) (P(x) - Q(x)) <= sum_x max(P(x) - Q(x), 0) = TV(P, Q),
    because 0 <= r(x) <= 1, and the last sum is half of sum_x |P(x) - Q(x)| as both P and Q sum to 1.
    Exchange P and Q for the other sign; equality holds for r(x) = 1 where P(x) > Q(x), so TV is tight.

TV can be read off a sample only for discrete signals. Where all values differ, some rule separates the
sample perfectly (TV 1 in-sample) and means nothing, so rules are restricted: to one threshold
(Kolmogorov-Smirnov distance), or to unions of bins of equal mass, chosen without looking at the groups
(histogram TV). Both bound the rules of their family only, and are at most the TV of the population's
distributions. In a sample both are biased upwards, as is the discrete TV: noise never cancels in a sum of
absolute differences. `compare` therefore also gives the mean under random relabelling ("chance"): the
value that two equal distributions would show. Only what exceeds it speaks of a difference.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError

Floats = NDArray[np.float64]
Drawn = Iterator[tuple[Ints, Ints]]
"""Chunks of drawn samples: ranks of group a (D, n_a) and of group b (D, n_b)."""

CELLS = 1 << 18
"""Counts held at once while resampling."""
ROUNDING = 1e-9
"""Slack of `bound_check` for float sums."""


@dataclass(frozen=True)
class Estimate:
    """A statistic and its percentile bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Separability:
    """How far a signal separates sample a (poisons) from sample b (LRG-1). Plain values, ready for JSON."""

    count_a: int
    count_b: int
    auc: Estimate
    """P(a > b) + P(a = b) / 2; 0.5 is no ordering, 0 and 1 are perfect ones."""
    threshold_distance: Estimate
    """Largest gap in selection rates of any rule with one threshold (Kolmogorov-Smirnov distance)."""
    threshold: float
    """The signal at which it is reached, by selecting values up to and including it (lowest on ties)."""
    threshold_distance_chance: float
    """Mean threshold distance after random relabelling."""
    total_variation: Estimate
    """Total-variation distance: exact over values if `discrete`, else over the bins of `edges`."""
    total_variation_chance: float
    """Mean total variation after random relabelling: its upward bias where there is no difference."""
    discrete: bool
    edges: tuple[float, ...]
    """Lowest value of each bin, then the highest value of the last; empty if discrete."""
    draws: int
    level: float
    """Coverage of the intervals."""


@dataclass(frozen=True)
class Bound:
    """Selection-rate gaps of some rules against the total variation that limits them."""

    gap: float
    """Largest |rate_a - rate_b| over the rules."""
    limit: float
    holds: bool
    """Whether gap <= limit, up to float rounding."""


def auc(a: ArrayLike, b: ArrayLike) -> float:
    """P(a > b) + P(a = b) / 2 for independent draws from the samples `a` and `b`."""
    _, counts_a, counts_b = _tables(a, b)
    return float(_auc(counts_a, counts_b)[0])


def threshold_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Largest gap between the empirical distribution functions of `a` and `b`, in [0, 1]."""
    _, counts_a, counts_b = _tables(a, b)
    return float(_steps(counts_a, counts_b).max())


def total_variation(a: ArrayLike, b: ArrayLike, bins: int | None = None) -> float:
    """Half the summed absolute difference of frequencies, over values or over equal-mass bins, in [0, 1]."""
    values, counts_a, counts_b = _tables(a, b)
    starts = np.arange(len(values)) if bins is None else _bin_starts((counts_a + counts_b)[0], bins)
    return float(_tv(counts_a, counts_b, starts)[0])


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
    """All separability statistics of the signal's values `a` (n_a,) and `b` (n_b,).

    `discrete` says that values repeat for a reason (a count, a prediction): total variation is then
    exact over values, else over at most `bins` bins of equal pooled mass (equal values share a bin).
    Intervals are percentile bootstrap over `draws` resamples of each group, chance is the mean over as
    many relabellings. Raises FedgroupError on empty or non-finite samples.
    """
    if draws < 1 or not 0 < level < 1:
        raise FedgroupError(
            f"draws {draws} must be at least 1 and level {level} strictly between 0 and 1"
        )
    values, first, second = _ranked(a, b)
    seen_a, seen_b = _counts(first, len(values)), _counts(second, len(values))
    starts = np.arange(len(values)) if discrete else _bin_starts((seen_a + seen_b)[0], bins)
    seen = _statistics(seen_a, seen_b, starts)[:, 0]
    spread = _over(_resamples(first, second, draws, generator), len(values), starts)
    chance = _over(_relabellings(first, second, draws, generator), len(values), starts).mean(1)
    low, high = np.quantile(spread, [(1 - level) / 2, (1 + level) / 2], axis=1)
    estimates = [
        Estimate(float(v), float(lo), float(hi)) for v, lo, hi in zip(seen, low, high, strict=True)
    ]
    return Separability(
        count_a=len(first),
        count_b=len(second),
        auc=estimates[0],
        threshold_distance=estimates[1],
        threshold=float(values[_steps(seen_a, seen_b).argmax()]),
        threshold_distance_chance=float(chance[1]),
        total_variation=estimates[2],
        total_variation_chance=float(chance[2]),
        discrete=discrete,
        edges=() if discrete else (*values[starts].tolist(), float(values[-1])),
        draws=draws,
        level=level,
    )


def bound_check(rates_a: Sequence[float], rates_b: Sequence[float], tv: float) -> Bound:
    """Check |rate_a - rate_b| <= tv for rules that look only at the signal behind `tv`.

    One pair of selection rates in [0, 1] per rule, of the very samples that gave `tv`. For a discrete
    signal and rules that are not randomised the bound cannot fail; a gap above it shows that a rule uses
    more than the signal (for a randomised rule: or that chance helped).
    """
    first, second = np.asarray(rates_a, np.float64), np.asarray(rates_b, np.float64)
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise FedgroupError(
            f"rates must be one pair per rule, got shapes {first.shape} and {second.shape}"
        )
    for value in (*first.tolist(), *second.tolist(), float(tv)):
        if not 0 <= value <= 1:
            raise FedgroupError(
                f"rates and total variation lie in [0, 1], got {value}: divide percent by 100"
            )
    gap = float(np.abs(first - second).max())
    return Bound(gap, float(tv), gap <= tv + ROUNDING)


def _ranked(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Ints, Ints]:
    """Distinct values (K,) in ascending order, and the rank of every value of `a` and of `b` in them."""
    samples = [np.asarray(sample, np.float64) for sample in (a, b)]
    for name, sample in zip("ab", samples, strict=True):
        if sample.ndim != 1 or not len(sample):
            raise FedgroupError(
                f"sample {name} must be a list of at least one value, got shape {sample.shape}"
            )
        bad = np.flatnonzero(~np.isfinite(sample))
        if len(bad):
            raise FedgroupError(
                f"sample {name} holds {len(bad)} values that are not finite, the first at position {bad[0]}: "
                f"leave these samples out or repair the signal"
            )
    values, inverse = np.unique(np.concatenate(samples), return_inverse=True)
    split = len(samples[0])
    return values, inverse[:split].astype(np.int64), inverse[split:].astype(np.int64)


def _tables(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Ints, Ints]:
    """Distinct values (K,) and how often each occurs in `a` and in `b`, (1, K) each."""
    values, first, second = _ranked(a, b)
    return values, _counts(first, len(values)), _counts(second, len(values))


def _counts(ranks: Ints, width: int) -> Ints:
    """How often each rank below `width` occurs in each row of `ranks` (D, n) or (n,): (D, width)."""
    rows = np.atleast_2d(ranks)
    cells = rows + width * np.arange(len(rows))[:, None]
    found = np.bincount(cells.ravel(), minlength=width * len(rows))
    return found.reshape(len(rows), width).astype(np.int64)


def _bin_starts(pooled: Ints, bins: int) -> Ints:
    """First of the K values of every bin of about equal mass; at most `bins`, none of them empty."""
    if bins < 2:
        raise FedgroupError(f"a histogram needs at least 2 bins, got {bins}")
    middle = 2 * np.cumsum(pooled) - pooled
    number = middle * bins // (2 * pooled.sum())
    return np.flatnonzero(np.diff(number, prepend=-1)).astype(np.int64)


def _resamples(first: Ints, second: Ints, draws: int, generator: np.random.Generator) -> Drawn:
    """Bootstrap: each group drawn anew from itself, in chunks of rows (D, n_a) and (D, n_b)."""
    for size in _chunks(draws, len(first) + len(second)):
        picks = generator.integers(0, len(first), (size, len(first)))
        yield first[picks], second[generator.integers(0, len(second), (size, len(second)))]


def _relabellings(first: Ints, second: Ints, draws: int, generator: np.random.Generator) -> Drawn:
    """Permutation: both groups shuffled together and dealt again, in the same chunks."""
    pooled = np.concatenate([first, second])
    for size in _chunks(draws, len(pooled)):
        order = generator.permuted(np.tile(pooled, (size, 1)), axis=1)
        yield order[:, : len(first)], order[:, len(first) :]


def _chunks(draws: int, width: int) -> Iterator[int]:
    size = max(1, CELLS // width)
    for done in range(0, draws, size):
        yield min(size, draws - done)


def _over(drawn: Drawn, width: int, starts: Ints) -> Floats:
    """The statistics of all draws, (3, draws)."""
    return np.concatenate(
        [_statistics(_counts(a, width), _counts(b, width), starts) for a, b in drawn], axis=1
    )


def _statistics(a: Ints, b: Ints, starts: Ints) -> Floats:
    """AUC, threshold distance and total variation of D pairs of counts (D, K), (3, D)."""
    return np.stack([_auc(a, b), _steps(a, b).max(1), _tv(a, b, starts)])


# Each takes D pairs of counts (D, K) and divides once, after sums of whole numbers.


def _auc(a: Ints, b: Ints) -> Floats:
    """AUC, (D,)."""
    twice_below = 2 * np.cumsum(b, axis=1) - b
    return np.asarray((a * twice_below).sum(1) / (2 * a.sum(1) * b.sum(1)))


def _steps(a: Ints, b: Ints) -> Floats:
    """Absolute difference of the distribution functions at every value, (D, K)."""
    size_a, size_b = a.sum(1, keepdims=True), b.sum(1, keepdims=True)
    return np.asarray(np.abs(np.cumsum(a * size_b - b * size_a, axis=1)) / (size_a * size_b))


def _tv(a: Ints, b: Ints, starts: Ints) -> Floats:
    """Total variation over the bins that begin at `starts`, (D,)."""
    size_a, size_b = a.sum(1, keepdims=True), b.sum(1, keepdims=True)
    gaps = np.add.reduceat(a * size_b - b * size_a, starts, axis=1)
    return np.asarray(np.abs(gaps).sum(1) / (2 * size_a * size_b)[:, 0])
