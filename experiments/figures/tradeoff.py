"""Group robustness against attack success, by how long a sanitiser runs before the method (Table 12)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.figures.style import GREY, OTHERS, canvas, save, styled
from experiments.results.measurements import Line
from experiments.tables.labels import short
from experiments.tables.table import Table
from fedgroup.methods.epic_then_jtt import EpicThenJtt

ABOUT = (
    "Worst-group accuracy over attack success: up and left is better. The line follows EPIC's stop, from "
    "none to the latest; bars are the standard deviation over seeds. The square leaves out just the poisons, "
    "which no defender can do: the distance to it is what telling poisons from the minority would be worth."
)


def applies(table: Table, lines: Sequence[Line], results: Path) -> bool:
    """The table stops EPIC before JTT, and some such run is finished."""
    return any(_stops(line) for line in lines)


@styled
def draw(table: Table, lines: Sequence[Line], results: Path, path: Path) -> None:
    """Draw the curve over the stops, and the rows without EPIC."""
    figure, axes = canvas(1, 1, 5.6, 4.4)
    axis = axes[0][0]
    curve = [line for line in lines if _stops(line)]
    others = [
        line for line in lines if not _stops(line) and line.spread("wga") and line.spread("asr")
    ]
    plain = [line for line in others if _case(line) == "standard"]
    curve = plain + sorted(curve, key=_stop)
    places = []
    for line in [*curve, *(line for line in others if line not in plain)]:
        wga, asr = line.spread("wga"), line.spread("asr")
        if wga is None or asr is None:
            continue
        joined = line in curve
        axis.errorbar(
            asr.mean,
            wga.mean,
            xerr=None if np.isnan(asr.std) else asr.std,
            yerr=None if np.isnan(wga.std) else wga.std,
            fmt="o" if joined else "s",
            color=OTHERS[0] if joined else OTHERS[5],
            markersize=6,
            elinewidth=1,
        )
        axis.annotate(
            short(line.row, table.rows), (asr.mean, wga.mean), xytext=(9, -13), textcoords="offset points",
            fontsize=8, color=GREY,
        )  # fmt: skip
        if joined:
            places.append((asr.mean, wga.mean))
    axis.plot(*zip(*places, strict=True), color=OTHERS[0], linewidth=1.5, zorder=1)
    axis.set(
        xlim=(-3, 103),
        ylim=(-3, 103),
        xlabel="attack success (ASR), percent",
        ylabel="worst-group accuracy (WGA), percent",
    )
    save(figure, path)


def _stops(line: Line) -> bool:
    return (
        isinstance(line.row.experiments[0].method, EpicThenJtt) and line.spread("wga") is not None
    )


def _stop(line: Line) -> int:
    stop = getattr(line.row.experiments[0].method, "stop", None)
    return -1 if stop is None else int(stop)


def _case(line: Line) -> str:
    return str(getattr(line.row.experiments[0].method, "case", ""))
