"""Who pays: the accuracy of every group, and its drop against FedAvg where there is one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from experiments.figures.glyphs import lines_of, wrapped
from experiments.figures.style import GREY, MARKERS, TIERS, canvas, save, styled
from experiments.results.finished_runs import result
from experiments.results.measurements import Line
from experiments.results.statistics import Spread
from experiments.tables.labels import short
from experiments.tables.table import Table

ABOUT = (
    "Accuracy of every group at the selected round, coloured by tier (mean over seeds; bars: "
    "sample standard deviation). The leftmost mark of a row is its WGA."
)


LETTERS = 44
"""Longer names take two lines or more."""
WIDE = 60
"""Letters over and under a panel."""
LINE_INCHES = 0.16
"""Height of a line of a name."""


def applies(table: Table, lines: Sequence[Line], results: Path) -> bool:
    """Return whether the selection rule keeps the accuracy of groups (last10 does not)."""
    return any(key.startswith("group ") for line in lines for key in line.values)


@styled
def draw(table: Table, lines: Sequence[Line], results: Path, path: Path) -> None:
    """Draw one line of marks per row, one mark per group."""
    shown = [line for line in lines if any(line.runs)]
    tiers = _tiers(shown, results)
    drops = any(line.drops for line in shown)
    names = [wrapped(short(line.row, table.rows), LETTERS) for line in shown]
    row = max(0.32, LINE_INCHES * lines_of(names))
    figure, (axes,) = canvas(
        1, 2 if drops else 1, 12 if drops else 8.5, max(2.8, 1.2 + row * len(shown))
    )
    handles: dict[str, Any] = {}
    for place, line in enumerate(shown):
        for number, (group, tier) in enumerate(tiers.items()):
            height = place + 0.14 * (number - (len(tiers) - 1) / 2)  # equal values stay visible
            key = f"group {group}"
            mark = _mark(axes[0], line.spread(key), height, tier, number)
            if mark is not None:
                handles.setdefault(wrapped(f"{group} ({tier})", LETTERS), mark)
            if drops and line.drops and key in line.drops:
                _mark(axes[1], line.drops[key].spread, height, tier, number)
    for axis in axes:
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.5, -0.5)
    axes[0].set(xlabel="percent correct", xlim=(-2, 102), title="accuracy of every group")
    if drops:
        axes[1].set_yticklabels([])
        axes[1].axvline(0, color=GREY, linewidth=1)
        axes[1].set(
            xlabel=wrapped(f"points, positive = worse than {table.against}", WIDE),
            title=wrapped(f"drop against {table.against}: who pays", WIDE),
        )
    # handles and names, for matplotlib leaves out a name that begins with an underscore
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=4 if drops else 2
    )
    save(figure, path)


def _tiers(lines: Sequence[Line], results: Path) -> dict[str, str]:
    """Return the tier by group name, over every data set of the table."""
    tiers: dict[str, str] = {}
    for line in lines:
        for experiment in line.row.experiments:
            dataset = (result(experiment, results) or {}).get("dataset")
            if dataset is not None:
                tier = {g: name for name, members in dataset["tiers"].items() for g in members}
                tiers |= {name: tier.get(g, "no tier") for g, name in enumerate(dataset["groups"])}
    return tiers


def _mark(axis: Axes, spread: Spread | None, height: float, tier: str, number: int) -> Any:
    """Draw one group of one row.

    Args:
        axis: The panel.
        spread: Mean and standard deviation over seeds; None draws nothing.
        height: Where it stands, in rows from the top.
        tier: Tier of the group: its colour.
        number: Number of the group: its shape.

    Returns:
        What stands for it in the legend; None where nothing is drawn.
    """
    if spread is None:
        return None
    return axis.errorbar(
        spread.mean,
        height,
        xerr=None if np.isnan(spread.std) else spread.std,
        fmt=MARKERS[number % len(MARKERS)],
        color=TIERS.get(tier, GREY),
        markersize=5,
        elinewidth=1,
    )
