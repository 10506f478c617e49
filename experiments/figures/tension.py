"""What each defence buys (ASR drop) over what it costs (WGA drop), both against the baseline."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from experiments.figures.glyphs import lines_of, wrapped
from experiments.figures.style import GREY, METHODS, canvas, save, style, styled
from experiments.results.measurements import Line
from experiments.results.statistics import Spread
from experiments.tables.labels import short
from experiments.tables.table import Table

ABOUT = (
    "Up: the attack succeeds less often. Right: the worst group loses accuracy. The dotted "
    "diagonal is an even trade, one point for one point; bars are sample standard deviations of "
    "the paired differences."
)
LETTERS = 40
"""Longer names take two lines or more."""
LABEL_HEIGHT = 0.055
"""Least distance of two labels, as a share of the axis."""


def applies(table: Table, lines: Sequence[Line], results: Path) -> bool:
    """Return whether some row has both drops."""
    return any(line.drops and {"asr", "wga"} <= set(line.drops) for line in lines)


@styled
def draw(table: Table, lines: Sequence[Line], results: Path, path: Path) -> None:
    """Draw one point per defence and the baseline at the origin."""
    figure, ((axis,),) = canvas(1, 1, 8.5, 5.2)
    marks: list[tuple[float, float, str, str]] = [(0.0, 0.0, table.against, METHODS["FedAvg"])]
    for line in lines:
        if line.drops and {"asr", "wga"} <= set(line.drops):
            cost, buys = line.drops["wga"].spread, line.drops["asr"].spread
            how = style(line.row, table)
            axis.errorbar(
                cost.mean,
                buys.mean,
                xerr=_bar(cost),
                yerr=_bar(buys),
                fmt="o" if how["linestyle"] == "-" else "^",
                color=how["color"],
                markersize=8,
                elinewidth=1,
                capsize=3,
            )
            marks.append((cost.mean, buys.mean, short(line.row, table.rows), how["color"]))
    axis.plot(0, 0, "s", color=METHODS["FedAvg"], markersize=8)
    axis.margins(0.08, 0.12)
    _write_names(axis, marks)
    axis.axline((0, 0), slope=1, color=GREY, linewidth=1, linestyle=":", zorder=0)
    axis.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    axis.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    axis.set(
        xlabel="what it costs: drop of worst-group accuracy, points",
        ylabel="what it buys: drop of attack success, points",
    )
    save(figure, path)


def _bar(spread: Spread) -> float | None:
    return None if np.isnan(spread.std) else spread.std


def _write_names(axis: Axes, marks: Sequence[tuple[float, float, str, str]]) -> None:
    """Name every mark on its right, from top to bottom; names too near the one above move down."""
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    right += 0.2 * (right - left)  # room for the name of the rightmost mark
    axis.set(xlim=(left, right), ylim=(bottom, top))
    least, written, above = LABEL_HEIGHT * (top - bottom), top + 1e9, 1
    for x, y, text, colour in sorted(marks, key=lambda mark: -mark[1]):
        name = wrapped(text, LETTERS)
        written = min(y, written - least * (above + lines_of([name])) / 2)
        above = lines_of([name])
        moved: dict[str, Any] = {}
        if y - written > least / 2:
            moved = {
                "arrowprops": {"arrowstyle": "-", "color": colour, "linewidth": 0.6, "shrinkB": 4}
            }
        axis.annotate(
            name,
            (x, y),
            xytext=(x + 0.018 * (right - left), written),
            color=colour,
            verticalalignment="center",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5},
            **moved,
        )
