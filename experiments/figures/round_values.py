"""Numbers by round: one metric of one row, as it is or as a drop from its baseline's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.experiment import Experiment
from experiments.results.finished_runs import result
from experiments.results.measurements import RAW_ACC, is_baseline
from experiments.tables.table import Row
from fedgroup.model_selection import attack_rate, counts, metrics
from fedgroup.runs.run_directory import read_lines

Series = dict[int, dict[str, float | None]]
"""Evaluated round -> metric -> value in percent; None where the value is unknown."""


@dataclass(frozen=True)
class Curve:
    """One metric of one row by round."""

    rounds: tuple[int, ...]
    values: NDArray[np.float64]
    """(seeds, rounds), in percent or points; NaN where a value is unknown."""

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean over seeds (rounds,)."""
        return np.asarray(self.values.mean(0))

    @property
    def end(self) -> tuple[int, float]:
        """Last round whose mean is known, and that mean."""
        last = int(np.flatnonzero(np.isfinite(self.mean))[-1])
        return self.rounds[last], float(self.mean[last])


@dataclass(frozen=True)
class NamedCurve:
    """A curve, its name and its look."""

    name: str
    look: dict[str, Any]
    """Colour and line style."""
    curve: Curve


def finished(row: Row, results: Path) -> bool:
    """Return whether some seed of the row is finished."""
    return any(result(experiment, results) for experiment in row.experiments)


def absolute(row: Row, metric: str, results: Path) -> Curve | None:
    """Return a metric of the row as it is, over the rounds that every finished seed evaluated.

    Args:
        row: The row.
        metric: Name of a metric in percent, such as "wga".
        results: Folder of the runs.

    Returns:
        The curve in percent; None where no seed is finished or no value is known.
    """
    runs = [series for run in row.experiments if (series := _series(run, results))]
    return _curve([{r: line.get(metric) for r, line in series.items()} for series in runs])


def drop(row: Row, metric: str, results: Path) -> Curve | None:
    """Return the baseline's metric minus the row's, paired by seed and round.

    Args:
        row: The row. A baseline has no drop.
        metric: Name of a metric in percent, such as "acc".
        results: Folder of the runs.

    Returns:
        The drop in points, positive = the row is worse; None where no seed has both runs finished.
    """
    if is_baseline(row):
        return None
    pairs = []
    for experiment, baseline in zip(row.experiments, row.baselines, strict=True):
        own, other = _series(experiment, results), _series(baseline, results)
        if own and other:
            pairs.append(
                {r: _minus(other[r].get(metric), own[r].get(metric)) for r in own if r in other}
            )
    return _curve(pairs)


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _curve(seeds: Sequence[dict[int, float | None]]) -> Curve | None:
    """Join seeds to one curve over the rounds of all; None where nothing is known."""
    if not seeds:
        return None
    rounds = sorted(set.intersection(*(set(seed) for seed in seeds)))
    values = np.array([[seed[r] for r in rounds] for seed in seeds], np.float64)  # None: NaN
    return Curve(tuple(rounds), values) if np.isfinite(values.mean(0)).any() else None


def _series(experiment: Experiment, results: Path) -> Series:
    """Return the metrics of a run by evaluated round; empty where it is not finished.

    `acc_paper` is plain accuracy on the data sets of RAW_ACC, elsewhere `acc_adjusted`.
    """
    stored: dict[str, Any] | None = result(experiment, results)
    if stored is None:
        return {}
    dataset = stored["dataset"]
    series: Series = {}
    for line in read_lines(results / experiment.id, "rounds"):
        if "test" in line:
            rates = metrics(counts(line, "test"), dataset["train_counts"])
            series[int(line["round"])] = {
                "wga": rates["wga"],
                "acc_adjusted": rates["acc_adjusted"],
                "acc_paper": rates["acc" if dataset["name"] in RAW_ACC else "acc_adjusted"],
                "asr": attack_rate(line),
            }
    return series
