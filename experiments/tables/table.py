"""A table with every setting resolved: rows, their runs by seed, and what to print of them.

`load.py` reads one from a YAML file.
"""

from dataclasses import dataclass
from typing import Any

from experiments.experiment import Experiment
from fedgroup.guards.names import check_text


@dataclass(frozen=True)
class Row:
    """One line of a table: its label columns and one experiment per seed."""

    label: dict[str, str]
    """Value by column, e.g. METHOD: Median."""
    experiments: tuple[Experiment, ...]
    """The runs, in the order of the table's seeds."""
    baselines: tuple[Experiment, ...]
    """What each experiment is compared with; itself where it is a baseline."""
    audited: bool = False
    """True for a component of the user: the report begins with a verdict on it."""

    def __post_init__(self) -> None:
        for column, value in self.label.items():
            check_text(column, "the label column")
            check_text(value, f"the label {column}")


@dataclass(frozen=True)
class Table:
    """A table with every setting resolved."""

    name: str
    """Its file without .yaml; names the folder of its reports."""
    title: str
    """One line above the printed table."""
    note: str
    """What to know before reading the numbers."""
    scale: str
    """Name of the scale that is laid over the base; empty where the table has none."""
    seeds: tuple[int, ...]
    """Seeds of the runs of every row."""
    rows: tuple[Row, ...]
    """Lines of the table, in the order in which they are printed."""
    paper: dict[tuple[str, ...], dict[str, str]]
    """The paper's cells by label values; empty where the paper has no such table."""
    columns: tuple[str, ...]
    """Metrics to print; empty: by what the runs measure."""
    probes: tuple[str | dict[str, Any], ...]
    """Measurements on finished runs: a probe's name, or a mapping with `use` and its settings."""
    against: str
    """What the baselines are called."""
    origin: dict[str, str]
    """Which layer each setting that is not a default came from (dotted path -> layer)."""

    def __post_init__(self) -> None:
        for part in ("name", "title", "note", "against"):
            check_text(getattr(self, part), f"the {part} of table")

    def experiments(self) -> list[Experiment]:
        """Return the distinct experiments in row order; one that rows share appears once."""
        return list({e.id: e for row in self.rows for e in row.experiments}.values())
