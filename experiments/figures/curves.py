"""WGA, what becomes of ACC, and attack success by round."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from experiments.figures.coinciding import coinciding
from experiments.figures.end_labels import End, settle, write
from experiments.figures.glyphs import wrapped
from experiments.figures.round_values import Curve, NamedCurve, absolute, drop, finished
from experiments.figures.style import (
    GREY,
    METHODS,
    canvas,
    facets,
    line_columns,
    line_look,
    line_name,
    save,
    styled,
)
from experiments.results.measurements import Line, attacked
from experiments.tables.table import Row, Table

ABOUT = (
    "On the test set, {seeds}: lines are means over seeds; of several, shades reach from the "
    "lowest to the highest. WGA and attack success (the rate of the run) are in percent. ACC is "
    "its drop against the baseline in points, paired by seed and round (positive = lower than the "
    "baseline), on a scale of its own; without a baseline, ACC itself."
)
DOTTED = 13
"""Up to this many evaluated rounds, each has a dot."""
PANEL_WIDTH = 3.5
"""Inches, with the labels; two of them are as wide as a page's text."""
LABEL_SIZE = 8
LABEL_INCHES = 0.15
"""Height of one label with its distance to the next."""
LABEL_LETTERS = 26
"""Longer names take two lines."""
FACET_LETTERS = 30
"""Longer names of a row of panels take two lines."""
NOTE_LETTERS = 52
"""Width of the note under the panels in letters, per panel."""
PERCENT = (-2.0, 102.0)


@dataclass(frozen=True)
class Panel:
    """What a column of panels shows."""

    metric: str
    name: str
    unit: str
    against: str = ""
    """What drops are taken against; empty where values are shown as they are."""
    limits: tuple[float, float] | None = None
    """Limits of the y axis; None: as tight as lines and shades allow."""
    empty: str = "not measured"
    """What a panel without a line says."""

    def lines(self, rows: Sequence[Row], table: Table, results: Path) -> list[NamedCurve]:
        """Return the curves of rows of which something is known; for drops, the baseline too.

        Args:
            rows: Rows of the table; one without a known value is left out.
            table: The table, for names and looks of its rows.
            results: Folder of the runs.

        Returns:
            A curve per row, in percent; of drops in points, after the baseline's line at zero.
        """
        read = drop if self.against else absolute
        named = [
            NamedCurve(line_name(row, table), line_look(row, table), curve)
            for row in rows
            if (curve := read(row, self.metric, results))
        ]
        if named and self.against:
            rounds = tuple(sorted(set().union(*(line.curve.rounds for line in named))))
            zero = Curve(rounds, np.zeros((1, len(rounds))))
            look = {"color": METHODS.get(self.against, GREY), "linewidth": 0.8, "marker": ""}
            named.insert(0, NamedCurve(self.against, look, zero))
        return named


def applies(table: Table, lines: Sequence[Line], results: Path) -> bool:
    """Return True: every table has curves."""
    return True


@styled
def draw(table: Table, lines: Sequence[Line], results: Path, path: Path) -> None:
    """Write the figure."""
    save(compose(table, results), path)


@styled
def compose(table: Table, results: Path) -> Figure:
    """Draw one row of panels per facet of the table; the panels of a column share their y axis."""
    panels = _panels(table, results)
    parted = {
        facet: kept
        for facet, rows in facets(table).items()
        if (kept := [row for row in rows if finished(row, results)])
    }
    heights = [
        max(1.7, LABEL_INCHES * (_labels(rows, table) + 1)) + 0.3 for rows in parted.values()
    ]
    size = (PANEL_WIDTH * len(panels), sum(heights) + 0.3)
    figure, axes = canvas(len(parted), len(panels), *size, heights=heights, share_y=True)
    labels, notes = [], _numbers(table)
    for place, panel in enumerate(panels):
        column = [line[place] for line in axes]
        shown = [panel.lines(rows, table, results) for rows in parted.values()]
        _frame(column, panel, shown, table)
        for axis, lines in zip(column, shown, strict=True):
            _plot(axis, lines)
            labels.append(write(axis, [_end(line) for line in lines], LABEL_SIZE))
        low, high = column[0].get_ylim()
        notes += coinciding(dict(zip(parted, shown, strict=True)), panel.name, high - low)
    for line, facet in zip(axes, parted, strict=True):
        line[0].set_ylabel(wrapped(facet, FACET_LETTERS), fontweight="bold")
    if notes:
        text = fill(" ".join(notes), NOTE_LETTERS * len(panels))
        figure.supxlabel(text, x=0.01, ha="left", fontsize=7, color=GREY)
    settle(figure, labels)
    return figure


def _panels(table: Table, results: Path) -> list[Panel]:
    """Return WGA, then the drop of ACC (ACC itself where no row has one), then attack success."""
    accuracy = "acc_paper" if "acc_paper" in table.columns else "acc_adjusted"
    panels = [Panel("wga", "WGA", "percent", limits=PERCENT)]
    if any(drop(row, accuracy, results) for row in table.rows):
        name = f"ACC drop against {table.against}"
        panels.append(Panel(accuracy, name, "points", table.against, empty="not compared"))
    else:
        panels.append(Panel(accuracy, "ACC", "percent"))
    if attacked(table):
        panels.append(Panel("asr", "attack success", "percent", limits=PERCENT))
    return panels


def _frame(
    column: Sequence[Axes], panel: Panel, shown: Sequence[list[NamedCurve]], table: Table
) -> None:
    """Set titles, limits and ticks of a column of panels.

    Args:
        column: Its panels, from top to bottom.
        panel: What they show.
        shown: Lines by panel.
        table: The table.
    """
    first = 0 if panel.against else 1  # the start would stretch a scale made for what follows
    values = [
        line.curve.values[:, np.array(line.curve.rounds) >= first]
        for lines in shown
        for line in lines
    ]
    column[0].set_ylim(*(panel.limits or _tight(values)))
    column[0].set_title(wrapped(f"{panel.name}, {panel.unit}", NOTE_LETTERS), loc="left")
    federated = table.rows[0].experiments[0].method is None
    drawn = [axis for axis, lines in zip(column, shown, strict=True) if lines]
    for axis in drawn[-1:]:
        axis.set_xlabel("round" if federated else "epoch of the final training")
    for axis in column:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axis.margins(x=0.02)
        if axis not in drawn:
            axis.set_axis_off()
            axis.text(0.5, 0.5, panel.empty, transform=axis.transAxes, ha="center", color=GREY)


def _tight(values: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Return limits around all values, with a margin."""
    every = np.concatenate([part.ravel() for part in values]) if values else np.zeros(1)
    low, high = float(np.nanmin(every)), float(np.nanmax(every))
    margin = max(0.06 * (high - low), 0.2)
    return low - margin, high + margin


def _plot(axis: Axes, lines: Sequence[NamedCurve]) -> None:
    """Draw the mean of each curve, and of several seeds their range."""
    for line in lines:
        curve = line.curve
        dots: dict[str, Any] = (
            {"marker": "o", "markersize": 2.5} if len(curve.rounds) <= DOTTED else {}
        )
        look: dict[str, Any] = {"linewidth": 1.5, "label": line.name, **dots, **line.look}
        axis.plot(curve.rounds, curve.mean, **look)
        if len(curve.values) > 1:
            low, high = curve.values.min(0), curve.values.max(0)
            axis.fill_between(curve.rounds, low, high, color=look["color"], alpha=0.12, linewidth=0)


def _end(line: NamedCurve) -> End:
    x, y = line.curve.end
    return End(_wrapped_name(line.name), x, y, line.look["color"])


def _wrapped_name(name: str) -> str:
    return fill(name, LABEL_LETTERS, break_on_hyphens=False)


def _labels(rows: Sequence[Row], table: Table) -> int:
    """Return for how many lines of labels a panel has room: one a row, all where one is long."""
    lines = [_wrapped_name(line_name(row, table)).count("\n") + 1 for row in rows]
    return sum(lines) if max(lines) > 2 else len(rows)


def _numbers(table: Table) -> list[str]:
    """Say which label column the names of lines come from where they are bare numbers."""
    numbers = [key for key in line_columns(table) if table.rows[0].label.get(key, "")[:1].isdigit()]
    return [f"Numbers at the lines: {', '.join(numbers)}."] if numbers else []
