"""Group robustness over attack success, by how long EPIC runs before JTT (paper, Table 12)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from experiments.figures.glyphs import wrapped
from experiments.figures.style import GREY, OTHERS, canvas, save, styled
from experiments.results.measurements import Line
from experiments.tables.labels import short
from experiments.tables.table import Table
from fedgroup.methods.epic_then_jtt import EpicThenJtt
from fedgroup.methods.jtt import JTT

ABOUT = (
    "Worst-group accuracy over attack success: up and left is better. The line follows EPIC's "
    "stop, from none to the latest; bars are the standard deviation over seeds. The square leaves "
    "out just the poisons, which no defender can do: the distance to it is what telling poisons "
    "from the minority would be worth."
)

LETTERS = 40
"""Longer names take two lines or more."""


def applies(table: Table, lines: Sequence[Line], results: Path) -> bool:
    """Return whether the table stops EPIC before JTT and some such run is finished."""
    return any(_stops(line) for line in lines)


@styled
def draw(table: Table, lines: Sequence[Line], results: Path, path: Path) -> None:
    """Draw the curve over the stops, and the rows without EPIC."""
    figure, ((axis,),) = canvas(1, 1, 5.6, 4.4)
    stopped = sorted((line for line in lines if _stops(line)), key=_stop)
    others = [line for line in lines if not _stops(line)]
    plain = [line for line in others if _case(line) == "standard"]
    curve = [place for line in [*plain, *stopped] if (place := _mark(axis, line, table, "o"))]
    for line in others:
        if line not in plain:
            _mark(axis, line, table, "s")
    axis.plot(*zip(*curve, strict=True), color=OTHERS[0], linewidth=1.5, zorder=1)
    axis.set(
        xlim=(-3, 103),
        ylim=(-3, 103),
        xlabel="attack success (ASR), percent",
        ylabel="worst-group accuracy (WGA), percent",
    )
    save(figure, path)


def _mark(axis: Axes, line: Line, table: Table, shape: str) -> tuple[float, float] | None:
    """Draw and name one row.

    Args:
        axis: The panel.
        line: The row.
        table: Its table.
        shape: "o" on the curve, "s" beside it.

    Returns:
        Where it stands; None where a number is missing.
    """
    wga, asr = line.spread("wga"), line.spread("asr")
    if wga is None or asr is None:
        return None
    axis.errorbar(
        asr.mean,
        wga.mean,
        xerr=None if np.isnan(asr.std) else asr.std,
        yerr=None if np.isnan(wga.std) else wga.std,
        fmt=shape,
        color=OTHERS[0] if shape == "o" else OTHERS[5],
        markersize=6,
        elinewidth=1,
    )
    axis.annotate(
        wrapped(short(line.row, table.rows), LETTERS),
        (asr.mean, wga.mean),
        xytext=(9, -13),
        textcoords="offset points",
        fontsize=8,
        color=GREY,
    )
    return asr.mean, wga.mean


def _stops(line: Line) -> bool:
    return (
        isinstance(line.row.experiments[0].method, EpicThenJtt) and line.spread("wga") is not None
    )


def _stop(line: Line) -> int:
    """Return the epoch at which the row stops EPIC; -1 where it does not run."""
    method = line.row.experiments[0].method
    stop = method.stop if isinstance(method, EpicThenJtt) else None
    return -1 if stop is None else stop


def _case(line: Line) -> str:
    method = line.row.experiments[0].method
    return method.case if isinstance(method, JTT) else ""
