"""Could any rule tell poisons from a tier? Total variation of each signal, and chance."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from experiments.figures.glyphs import wrapped
from experiments.figures.style import GREY, MARKERS, TIERS, canvas, save, styled
from experiments.results.measurements import Line
from experiments.results.probe_reports import probe_report
from experiments.tables.labels import short
from experiments.tables.table import Table

ABOUT = (
    "Total-variation distance of a signal between poisons and a tier: no rule that looks only at "
    "the signal can treat them more differently. Bars: 95 % bootstrap interval (first seed "
    "measured); the grey tick is the mean under random relabelling."
)
FILE = "probe-signals.json"
COLUMNS = 3
LETTERS = 48
"""Longer titles take two lines or more."""


def applies(table: Table, lines: Sequence[Line], results: Path) -> bool:
    """Return whether some run of the table was probed."""
    return any(_signals(line, results) for line in lines)


@styled
def draw(table: Table, lines: Sequence[Line], results: Path, path: Path) -> None:
    """Draw one panel per probed row, one line of marks per signal."""
    shown = [(line, signals) for line in lines if (signals := _signals(line, results))]
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = canvas(rows, columns, 4 * columns + 1.5, 2.6 * rows + 0.6)
    flat = [axis for line in axes for axis in line]
    handles: dict[str, Any] = {}
    for axis, (line, signals) in zip(flat, shown, strict=False):
        for place, tiers in enumerate(signals.values()):
            for number, (tier, values) in enumerate(tiers.items()):
                handles[tier] = _mark(axis, place + 0.2 * (number - 1), tier, number, values)
        axis.set_yticks(range(len(signals)), [signal.replace("_", " ") for signal in signals])
        axis.set_ylim(len(signals) - 0.5, -0.5)
        axis.set(
            xlim=(-0.02, 1.02),
            title=wrapped(short(line.row, table.rows), LETTERS),
            xlabel="total variation",
        )
    for axis in flat[len(shown) :]:
        axis.set_visible(False)
    figure.legend(
        handles.values(),
        [f"poisons against {tier}" for tier in handles],
        loc="outside lower center",
        ncols=4,
    )
    save(figure, path)


def _signals(line: Line, results: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Return separability by signal and tier of the first seed that was probed, or nothing."""
    for experiment in line.row.experiments:
        report = probe_report(results / experiment.id / FILE)
        if report is not None:
            signals: dict[str, dict[str, dict[str, Any]]] = report["signals"]
            return signals
    return {}


def _mark(axis: Axes, place: float, tier: str, number: int, values: dict[str, Any]) -> Any:
    """Draw one estimate with its interval, and the level of chance.

    Args:
        axis: The panel.
        place: Where it stands, in signals from the top.
        tier: The tier that poisons are compared with: its colour.
        number: Number of the tier: its shape.
        values: Separability of the signal, by name.

    Returns:
        What stands for it in the legend.
    """
    estimate = values["total_variation"]
    low, high = estimate["value"] - estimate["low"], estimate["high"] - estimate["value"]
    axis.plot(values["total_variation_chance"], place, "|", color=GREY, markersize=8)
    return axis.errorbar(
        estimate["value"],
        place,
        xerr=[[max(0.0, low)], [max(0.0, high)]],  # a biased statistic may lie outside its interval
        fmt=MARKERS[number % len(MARKERS)],
        color=TIERS.get(tier, GREY),
        markersize=5,
        elinewidth=1,
    )
