"""The drop of WGA beside the drop of ACC, row by row, with the paper's values (its Table 9)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.figures.glyphs import wrapped
from experiments.figures.style import COLUMN_WIDTH, DPI, GREY, canvas, save, seeds, styled
from experiments.results.measurements import Line, is_baseline
from experiments.tables.labels import short
from experiments.tables.table import Table

ABOUT = (
    "Drops against the baseline in points (right: lower than the baseline). Filled: measured here, "
    "{seeds}; the mean, and with two seeds or more the sample standard deviation of the paired "
    "differences. Open, where the paper has values: the paper's, from its own data and models."
)


@dataclass(frozen=True)
class Kind:
    """One of the two kinds of drops, and its look."""

    key: str
    name: str
    published: str
    """Column of the paper's table."""
    colour: str
    marker: str


KINDS = (
    Kind("wga", "WGA drop", "WGA DROP", "#d55e00", "o"),
    Kind("acc_adjusted", "ACC drop", "ACC DROP", "#0072b2", "s"),
)
"""Colours of Okabe and Ito (2008); the shapes differ too."""
LETTERS = 23
"""Longer names of rows take two lines or more."""
FONT = 7.5
LINE_INCHES = 0.13
"""Height of a line of such a name."""
MARGIN = 0.06
"""Inches at the sides."""
BAND = 0.72
"""Height of a row's marks as a share of the row."""


def applies(table: Table, lines: Sequence[Line], results: Path) -> bool:
    """Return whether some row has a drop of WGA."""
    return any("wga" in (line.drops or {}) for line in lines)


@styled
def draw(table: Table, lines: Sequence[Line], results: Path, path: Path) -> None:
    """Write the figure."""
    save(compose(table, lines), path)


@styled
def compose(table: Table, lines: Sequence[Line]) -> Figure:
    """Draw one row of marks per compared row, as wide as a column of a paper."""
    shown = [line for line in lines if not is_baseline(line.row)]
    printed = any(published(table, line, kind) for line in shown for kind in KINDS)
    names = [_name(line, table) for line in shown]
    row = max(0.42 if printed else 0.3, LINE_INCHES * (1 + max(name.count("\n") for name in names)))
    height = row * len(shown) + (0.8 if printed else 0.7)
    figure, ((axis,),) = canvas(1, 1, COLUMN_WIDTH, height)
    figure.set_dpi(DPI)  # of the file: letters are a little wider or narrower at another
    figure.set_layout_engine("constrained", w_pad=MARGIN)
    step = BAND / (len(KINDS) * (2 if printed else 1))
    for place, line in enumerate(shown):
        if place % 2:
            axis.axhspan(place - 0.5, place + 0.5, color="#f3f3f3", linewidth=0, zorder=0)
        for number, kind in enumerate(KINDS):
            y = place - BAND / 2 + step * (number * (2 if printed else 1) + 0.5)
            _measured(axis, line, kind, y)
            values = published(table, line, kind)
            if values is not None:
                _mark(axis, kind, *values, y + step, "white")
        _say_what_is_missing(axis, line, place - BAND / 2 + step / 2)
    axis.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    axis.set_yticks(range(len(shown)), names, fontsize=FONT)
    axis.set_ylim(len(shown) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", labelsize=FONT)
    axis.grid(visible=False, axis="y")
    below = wrapped(f"drop against {table.against}, points", 2 * LETTERS)
    axis.set_xlabel(below, fontsize=FONT, loc="right")
    _legend(figure, lines, printed)
    return figure


def published(table: Table, line: Line, kind: Kind) -> tuple[float, float] | None:
    """Return what the paper prints for a row.

    Args:
        table: The table, with the paper's values by label.
        line: The row.
        kind: Which of the two drops.

    Returns:
        Mean and standard deviation (NaN without one) in points; None where the paper has no mean.
    """
    text = table.paper.get(tuple(line.row.label.values()), {}).get(kind.published, "")
    mean, _, std = text.partition("±")
    try:
        return float(mean), float(std) if std else math.nan
    except ValueError:
        return None


def _measured(axis: Axes, line: Line, kind: Kind, y: float) -> None:
    """Draw a drop that was measured: its bar from zero, its mark, its error bar."""
    drop = (line.drops or {}).get(kind.key)
    if drop is not None:
        axis.barh(y, drop.spread.mean, 0.13, color=kind.colour, alpha=0.3, zorder=2)
        _mark(axis, kind, drop.spread.mean, drop.spread.std, y, kind.colour)


def _mark(axis: Axes, kind: Kind, mean: float, std: float, y: float, fill_colour: str) -> None:
    """Draw one value with its error bar.

    Args:
        axis: The panel.
        kind: What is drawn.
        mean: Its mean in points.
        std: Its standard deviation in points; NaN: no bar.
        y: Where it stands.
        fill_colour: Colour of the marker's face.
    """
    axis.errorbar(
        mean,
        y,
        xerr=None if math.isnan(std) else std,
        fmt=kind.marker,
        color=kind.colour,
        markerfacecolor=fill_colour,
        markersize=4,
        markeredgewidth=0.9,
        elinewidth=0.9,
        capsize=1.5,
        zorder=3,
    )


def _say_what_is_missing(axis: Axes, line: Line, y: float) -> None:
    """Write why a row has no drop."""
    if not line.drops:
        text = "baseline not run" if any(line.runs) else "not run"
        axis.annotate(
            text,
            (0, y),
            xytext=(3, 0),
            textcoords="offset points",
            fontsize=FONT - 1,
            color=GREY,
            verticalalignment="center",
        )


def _name(line: Line, table: Table) -> str:
    note = " (no headroom)" if "no headroom" in line.flags else ""
    return fill(short(line.row, table.rows) + note, LETTERS, break_on_hyphens=False)


def _legend(figure: Figure, lines: Sequence[Line], printed: bool) -> None:
    """Write the legend above the panel: which metric, and who measured."""
    entries = [(kind.name, kind.marker, kind.colour, kind.colour) for kind in KINDS]
    if printed:
        entries += [(f"here, {seeds(lines)}", "D", GREY, GREY), ("the paper", "D", GREY, "white")]
    else:
        entries.append((seeds(lines), "", GREY, GREY))
    figure.legend(
        handles=[
            Line2D([], [], label=name, marker=marker, color=edge, mfc=face, ms=4, linewidth=0)
            for name, marker, edge, face in entries
        ],
        loc="outside upper center",
        ncols=2 if printed else 3,
        fontsize=FONT,
        handletextpad=0.2,
        borderpad=0.1,
    )
