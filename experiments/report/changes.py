"""A paired change of one metric: its size, its direction, and whether it is beyond chance."""

from dataclasses import dataclass

from experiments.report.metric_format import number
from experiments.results.measurements import Line
from experiments.results.statistics import Drop, paired_drop


@dataclass(frozen=True)
class Change:
    """A paired change of one metric in points, positive = higher than the reference."""

    mean: float
    low: float
    high: float
    """95 % t interval of the mean; NaN for one seed."""
    n: int
    """Seeds."""

    @classmethod
    def of(cls, drop: Drop) -> "Change":
        """Return the change that a drop is: the same numbers with the sign turned."""
        return cls(-drop.spread.mean, -drop.high, -drop.low, drop.spread.n)

    @property
    def has_interval(self) -> bool:
        """Two or more seeds: the spread can be estimated."""
        return self.n > 1

    @property
    def sign(self) -> int:
        """1 or -1 for a clear rise or fall, 0 where the interval spans 0; one seed: of the mean."""
        if self.has_interval:
            return int(self.low > 0) - int(self.high < 0)
        return int(self.mean > 0) - int(self.mean < 0)

    def words(self) -> str:
        """Return size and direction, '3.1 points lower', with the interval where there is one."""
        size = f"{number(abs(self.mean))} points {'lower' if self.mean < 0 else 'higher'}"
        if number(abs(self.mean)) == "0.0":
            size = "unchanged"
        if not self.has_interval:
            return size
        interval = f"95 % interval {number(self.low)} to {number(self.high)}"
        return f"no clear change ({size}, {interval})" if self.sign == 0 else f"{size} ({interval})"


def paired_change(reference: Line, line: Line, key: str) -> Change | None:
    """Return the change of a metric from one row to another, paired by seed.

    Args:
        reference: The row to compare with.
        line: The row that is compared.
        key: Name of the metric.

    Returns:
        The change over the seeds that both rows have; None where they share none.
    """
    pairs = [
        (a[key], b[key])
        for a, b in zip(reference.runs, line.runs, strict=True)
        if a and b and key in a and key in b
    ]
    return Change.of(paired_drop([a for a, _ in pairs], [b for _, b in pairs])) if pairs else None
