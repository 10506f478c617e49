"""Who is heard: the influence of clients that hold LRG-1 samples, relative to the others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.figures.glyphs import lines_of, wrapped
from experiments.figures.style import GREY, HATCHES, canvas, save, style, styled
from experiments.results.measurements import Line
from experiments.tables.labels import short
from experiments.tables.table import Table

ABOUT = (
    "Influence of a client that holds LRG-1 samples over that of one that does not, mean over "
    "rounds; a dot is one seed. Left of 1 the rule listens less to them."
)
KEY = "minority_influence"
LETTERS = 44
"""Longer names take two lines or more."""
LINE_INCHES = 0.16
"""Height of a line of a name."""


def applies(table: Table, lines: Sequence[Line], results: Path) -> bool:
    """Return whether some run measured the influence of clients."""
    return any(line.spread(KEY) for line in lines)


@styled
def draw(table: Table, lines: Sequence[Line], results: Path, path: Path) -> None:
    """Draw one bar per row."""
    shown = [line for line in lines if line.spread(KEY)]
    names = [wrapped(short(line.row, table.rows), LETTERS) for line in shown]
    row = max(0.3, LINE_INCHES * lines_of(names))
    figure, ((axis,),) = canvas(1, 1, 8.5, max(2.2, 0.9 + row * len(shown)))
    for place, line in enumerate(shown):
        how, values = style(line.row, table), line.values[KEY]
        axis.barh(
            place,
            np.mean(values),
            0.7,
            color=how["color"],
            hatch=HATCHES[how["linestyle"]],
            edgecolor="white",
        )
        axis.plot(
            values, [place] * len(values), "o", color=GREY, markeredgecolor="white", markersize=5
        )
    axis.axvline(1, color=GREY, linewidth=1)
    axis.set_yticks(range(len(shown)), names)
    axis.set_ylim(len(shown) - 0.5, -0.5)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel("influence of a holder of LRG-1 samples / influence of another client")
    save(figure, path)
