"""What rows and runs are called."""

import re
from collections.abc import Sequence

from experiments.experiment import Experiment
from experiments.tables.table import Row, Table

BARE = re.compile(r"[\d.]+ ?%?|yes|no", re.IGNORECASE)
"""Values that say nothing without the name of their column."""


def words(label: dict[str, str]) -> list[str]:
    """Return the values of a row's label; yes and no in a column about IID are spelt out."""
    return [
        {"yes": "IID", "no": "non-IID"}.get(value.lower(), value)
        if key.upper().startswith("IID")
        else value
        for key, value in label.items()
    ]


def name(row: Row) -> str:
    """Return the name of a row: its label in one line."""
    return ", ".join(words(row.label))


def short(row: Row, rows: Sequence[Row]) -> str:
    """Return the name of a row without the columns in which all rows agree.

    A bare number or yes and no get the name of their column.
    """
    return ", ".join(varying(row, rows).values()) or name(row)


def varying(row: Row, rows: Sequence[Row]) -> dict[str, str]:
    """Return the label of a row by column, in words, without the columns in which all agree."""
    return {
        key: f"{key} {word}" if BARE.fullmatch(word) else word
        for key, word in zip(row.label, words(row.label), strict=True)
        if len({other.label.get(key) for other in rows}) > 1
    }


def which(some: Sequence[Row], rows: Sequence[Row]) -> str:
    """Name a part of the rows, by one column where one tells them apart: '' for all of them."""
    if len(some) == len(rows):
        return ""
    for key in some[0].label:
        values = list(dict.fromkeys(row.label[key] for row in some))
        if sum(row.label[key] in values for row in rows) == len(some):
            return ", ".join(values)
    named = "; ".join(short(row, rows) for row in some[:3])
    return named if len(some) <= 3 else f"{named} and {len(some) - 3} more"


def labelled(table: Table) -> list[tuple[Experiment, str]]:
    """Return the distinct runs that a table needs, each with a printable name.

    These are its experiments, the baselines of its drops, and the clean run of each attacked one.
    """
    named: dict[str, tuple[Experiment, str]] = {}
    for row in table.rows:
        for experiment in row.experiments:
            seed = f" seed {experiment.task.seed}" if len(row.experiments) > 1 else ""
            named.setdefault(experiment.id, (experiment, name(row) + seed))
    for row in table.rows:
        for experiment, base in zip(row.experiments, row.baselines, strict=True):
            named.setdefault(base.id, (base, f"{table.against} (baseline of {name(row)})"))
            for run in (experiment, base):
                clean = run.reference()
                if clean is not None:
                    named.setdefault(clean.id, (clean, f"{name(row)} without poisons"))
    return list(named.values())
