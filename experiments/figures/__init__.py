"""Figures of a table. A new one is a module with `ABOUT`, `applies` and `draw`, and a line in FIGURES."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.figures import (
    curves,
    elimination,
    group_accuracy,
    influence,
    separability,
    tension,
    tradeoff,
)
from experiments.results.measurements import Line
from experiments.tables.table import Table


@dataclass(frozen=True)
class Figure:
    """One figure of a table's report."""

    title: str
    about: str
    """How to read it: the caption."""
    draw: Callable[[Table, Sequence[Line], Path, Path], None]
    """(table, lines, results, path without suffix): writes SVG, PDF and PNG."""
    applies: Callable[[Table, Sequence[Line], Path], bool]
    """(table, lines, results): whether the runs have what it shows."""


FIGURES = {
    "tension": Figure(
        "What a defence buys and costs", tension.ABOUT, tension.draw, tension.applies
    ),
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
