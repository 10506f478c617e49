"""Figures of a table.

A new one is a module with `ABOUT`, `applies` and `draw`, and a line in FIGURES.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from experiments.figures import (
    backend,  # noqa: F401 - first: it imports matplotlib whatever $MPLBACKEND says
    curves,
    drops,
    elimination,
    group_accuracy,
    influence,
    separability,
    tension,
    tradeoff,
)
from experiments.figures.style import seeds
from experiments.results.measurements import Line
from experiments.tables.table import Table


class Applies(Protocol):
    """Whether a figure can be drawn of a table."""

    def __call__(self, table: Table, lines: Sequence[Line], results: Path, /) -> bool:
        """Return whether the runs have what the figure shows.

        Args:
            table: The table.
            lines: Its rows with their numbers, under one selection rule.
            results: Folder of the runs.
        """
        ...


class Draw(Protocol):
    """How a figure is drawn."""

    def __call__(self, table: Table, lines: Sequence[Line], results: Path, path: Path, /) -> None:
        """Write the figure as SVG, PDF and PNG.

        Args:
            table: The table.
            lines: Its rows with their numbers, under one selection rule.
            results: Folder of the runs.
            path: Where to write, without suffix.
        """
        ...


@dataclass(frozen=True)
class Figure:
    """One figure of a table's report."""

    title: str
    about: str
    """How to read it: the caption. `{seeds}` stands for the number of seeds."""
    draw: Draw
    applies: Applies

    def caption(self, lines: Sequence[Line]) -> str:
        """Return the caption of the figure of these rows."""
        return self.about.replace("{seeds}", seeds(lines))


FIGURES = {
    "tension": Figure(
        "What a defence buys and costs", tension.ABOUT, tension.draw, tension.applies
    ),
    "drops": Figure("What accuracy hides", drops.ABOUT, drops.draw, drops.applies),
    "tradeoff": Figure("Both at once?", tradeoff.ABOUT, tradeoff.draw, tradeoff.applies),
    "groups": Figure("Who pays", group_accuracy.ABOUT, group_accuracy.draw, group_accuracy.applies),
    "elimination": Figure(
        "Who is eliminated", elimination.ABOUT, elimination.draw, elimination.applies
    ),
    "influence": Figure("Who is heard", influence.ABOUT, influence.draw, influence.applies),
    "separability": Figure(
        "Who can be told apart", separability.ABOUT, separability.draw, separability.applies
    ),
    "curves": Figure("By round", curves.ABOUT, curves.draw, curves.applies),
}
"""Figures by the name of their files, in the order of the report."""
