"""WGA, ACC and attack success by round: mean over seeds, the range over seeds shaded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from experiments.experiment import Experiment
from experiments.figures.style import canvas, facets, legend, save, style, styled
from experiments.results.measurements import Line, attacked
from experiments.results.store import result
from experiments.tables.table import Row, Table
from fedgroup.model_selection import attack_rate, counts, metrics
from fedgroup.run_directory import read_lines

ABOUT = "By round, on the test set: mean over seeds, the range over seeds shaded."


def applies(table: Table, lines: Sequence[Line], results: Path) -> bool:
    """Every table has curves."""
    return True


@styled
def draw(table: Table, lines: Sequence[Line], results: Path, path: Path) -> None:
    """Draw one row of panels per facet of the table."""
    panels = {
        "wga": "worst-group accuracy (WGA)",
        "acc_adjusted": "accuracy (ACC, training-weighted)",
    }
    if attacked(table):
        panels["asr"] = "attack success (rate of this run)"
    parted = {
        name: rows
        for name, rows in facets(table).items()
        if any(_finished(r, results) for r in rows)
    }
    figure, axes = canvas(len(parted), len(panels), 4 * len(panels), 2.8 * len(parted) + 0.6)
    for (name, rows), line in zip(parted.items(), axes, strict=True):
        for row in rows:
            _curve(row, table, results, line, list(panels))
        for axis, title in zip(line, panels.values(), strict=True):
            axis.set(ylim=(-2, 102))
            axis.set_title(f"{name}: {title}" if name else title)
        line[0].set_ylabel("percent")
    step = "round" if table.rows[0].experiments[0].method is None else "epoch of the final training"
    for axis in axes[-1]:
        axis.set_xlabel(step)
    legend(
        figure, table, [row for rows in parted.values() for row in rows if _finished(row, results)]
    )
    save(figure, path)


def _curve(
    row: Row, table: Table, results: Path, axes: Sequence[Axes], names: Sequence[str]
) -> None:
    found = [series for e in row.experiments if (series := _series(e, results))]
    if not found:
        return
    rounds = sorted(set.intersection(*(set(series) for series in found)))
    how = style(row, table)
    for axis, name in zip(axes, names, strict=True):
        values = np.array(
            [[_value(series[r].get(name)) for r in rounds] for series in found], np.float64
        )
        axis.plot(rounds, values.mean(0), linewidth=1.6, **how)
        if len(found) > 1:
            low, high = values.min(0), values.max(0)
            axis.fill_between(rounds, low, high, alpha=0.15, color=how["color"], linewidth=0)


def _value(value: float | None) -> float:
    return np.nan if value is None else value


def _finished(row: Row, results: Path) -> bool:
    return any(result(experiment, results) for experiment in row.experiments)


def _series(experiment: Experiment, results: Path) -> dict[int, dict[str, Any]]:
    """Metrics in percent by evaluated round; empty where the run is not finished."""
    found = result(experiment, results)
    if found is None:
        return {}
    train = found["dataset"]["train_counts"]
    return {
        int(row["round"]): metrics(counts(row, "test"), train) | {"asr": attack_rate(row)}
        for row in read_lines(results / experiment.id, "rounds")
        if "test" in row
    }
