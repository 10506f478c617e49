"""Whom a poisoning defence eliminates, by step: ELMF of poisons and tiers (paper, Figure 1)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.experiment import Experiment
from experiments.figures.glyphs import wrapped
from experiments.figures.style import GREY, MARKERS, TIERS, canvas, save, styled
from experiments.results.finished_runs import result
from experiments.results.measurements import Line
from experiments.tables.labels import short
from experiments.tables.table import Table

ABOUT = (
    "Share of each tier that the defence has eliminated, by step: mean over seeds, the range over "
    "seeds shaded. Poisons and LRG-1 close to each other: the defence cannot tell them apart."
)
COLUMNS = 4
LETTERS = 40
"""Longer titles take two lines or more."""


def applies(table: Table, lines: Sequence[Line], results: Path) -> bool:
    """Return whether some run eliminated samples."""
    return any(key.startswith("elmf ") for line in lines for key in line.values)


@styled
def draw(table: Table, lines: Sequence[Line], results: Path, path: Path) -> None:
    """Draw one panel per row that eliminates."""
    shown = [line for line in lines if any(key.startswith("elmf ") for key in line.values)]
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = canvas(rows, columns, 3.2 * columns + 1, 2.6 * rows + 0.6)
    flat = [axis for line in axes for axis in line]
    for axis, line in zip(flat, shown, strict=False):
        runs = [s for run in line.row.experiments if (s := _series(run, results))]
        steps = sorted(set.intersection(*(set(series) for series in runs)))
        for number, (tier, colour) in enumerate(TIERS.items()):
            values = np.array(
                [[series[step].get(tier, np.nan) for step in steps] for series in runs]
            )
            axis.plot(
                steps,
                values.mean(0),
                color=colour,
                marker=MARKERS[number],
                markersize=3.5,
                linewidth=1.5,
                label=tier,
            )
            if len(runs) > 1:
                axis.fill_between(
                    steps, values.min(0), values.max(0), alpha=0.15, color=colour, linewidth=0
                )
        axis.set(
            ylim=(-2, 102),
            title=wrapped(short(line.row, table.rows), LETTERS),
            xlabel="step of the defence",
        )
    for line_axes in axes:
        line_axes[0].set_ylabel("eliminated (ELMF), percent")
    for axis in flat[len(shown) :]:
        axis.set_visible(False)
    handles, names = flat[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, labelcolor=GREY)
    save(figure, path)


def _series(experiment: Experiment, results: Path) -> dict[int, dict[str, float]]:
    """Return ELMF in percent by step and tier; empty where the run eliminates nothing."""
    stored = result(experiment, results) or {}
    return {
        int(line["step"]): {tier: rate for tier, rate in line["elmf"].items() if rate is not None}
        for line in stored.get("selections", ())
        if line["kind"] == "eliminate" and line.get("elmf")
    }
