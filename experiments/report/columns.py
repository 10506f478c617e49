"""The printed table: which columns, and every cell as text."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from experiments.report.footnotes import Marks, mark, marks_of
from experiments.report.metric_format import cell, headings, metric
from experiments.results.measurements import ACCURACIES, Line, attacked
from experiments.tables.table import Table

Part = Literal["label", "value", "drop", "paper", "notes"]
NONE = "–"


@dataclass(frozen=True)
class Column:
    """One column of the printed table."""

    heading: str
    part: Part
    key: str
    """Label column, metric, or column of the paper's table."""

    @property
    def full(self) -> str:
        """Heading where columns stand without a heading over their part."""
        return {"drop": f"{self.heading} drop", "paper": f"paper: {self.heading}"}.get(
            self.part, self.heading
        )


@dataclass(frozen=True)
class Cell:
    """One cell: its text, and the number by which a column is sorted (None for text)."""

    text: str
    value: float | None = None
    interval: tuple[float, float] | None = None
    """95 % t interval of a drop's mean, with two or more seeds."""


Layout = tuple[list[Column], list[list[Cell]]]
"""Columns and rows of the printed table."""


def lay_out(table: Table, lines: Sequence[Line]) -> Layout:
    """Return the printed table; it has a column of notes only where there are some."""
    labels = list(table.rows[0].label)
    values, drops = _metrics(table, lines)
    columns = [
        *(Column(key, "label", key) for key in labels),
        *(Column(head, "value", key) for head, key in zip(headings(values), values, strict=True)),
        *(Column(metric(key).heading, "drop", key) for key in drops),
        *(
            Column(key, "paper", key)
            for key in next(iter(table.paper.values()), {})
            if key not in labels
        ),
    ]
    if any(line.flags for line in lines):
        columns.append(Column("notes", "notes", ""))
    marks = marks_of(lines)
    body = [[_cell(column, line, table) for column in columns] for line in lines]
    by_column = [
        _noted([row[place] for row in body], column, lines, marks)
        for place, column in enumerate(columns)
    ]
    return columns, [list(row) for row in zip(*by_column, strict=True)]


def cells(table: Table, lines: Sequence[Line]) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of the printed table, as text."""
    columns, body = lay_out(table, lines)
    return [column.full for column in columns], [[cell.text for cell in row] for row in body]


def _metrics(table: Table, lines: Sequence[Line]) -> tuple[list[str], list[str]]:
    """Return the metrics of the printed table, and those whose drops follow."""
    attack_success = ["asr"] if attacked(table) else []
    drops = [*ACCURACIES, *attack_success] if any(line.drops for line in lines) else []
    values = list(table.columns) or ["wga", "acc_adjusted", *attack_success]
    if "asr" in values and any(line.spread("asr_base") for line in lines):
        values.insert(values.index("asr") + 1, "asr_base")
    return values, drops


def _cell(column: Column, line: Line, table: Table) -> Cell:
    """Return the cell of a column in a row.

    Args:
        column: The column.
        line: The row.
        table: Their table, for the paper's values.
    """
    if column.part == "label":
        return Cell(line.row.label[column.key])
    if column.part == "notes":
        return Cell("; ".join(line.flags))
    if column.part == "paper":
        text = table.paper.get(tuple(line.row.label.values()), {}).get(column.key) or NONE
        return Cell(text, _leading_number(text))
    decimals = metric(column.key).decimals
    if column.part == "value":
        spread = line.spread(column.key)
        if spread is None:
            return Cell(NONE if any(line.runs) else "not run")
        inner = line.spread(metric(column.key).within)
        return Cell(cell(spread.mean, inner.mean if inner else spread.std, decimals), spread.mean)
    drop = (line.drops or {}).get(column.key)
    if drop is None:
        return Cell(NONE)
    interval = (drop.low, drop.high) if drop.spread.n > 1 else None
    return Cell(cell(drop.spread.mean, drop.spread.std, decimals), drop.spread.mean, interval)


def _noted(
    cells: Sequence[Cell], column: Column, lines: Sequence[Line], marks: Marks
) -> list[Cell]:
    """Return the cells of a column, with n where rows differ in it and marks of weak numbers.

    Args:
        cells: The cells, by row.
        column: Their column.
        lines: The rows.
        marks: Marks of the table.
    """
    counts = [_seeds(column, line) for line in lines]
    differ = len({count for count in counts if count}) > 1
    noted = []
    for found, line, count in zip(cells, lines, counts, strict=True):
        n = f" (n={count})" if differ else ""
        text = n + mark(line, column.key, column.part == "drop", marks)
        noted.append(replace(found, text=found.text + text) if count else found)
    return noted


def _seeds(column: Column, line: Line) -> int:
    """Return how many seeds the number in a cell is of; 0 where there is none."""
    if column.part == "value":
        spread = line.spread(column.key)
        return spread.n if spread else 0
    drop = (line.drops or {}).get(column.key) if column.part == "drop" else None
    return drop.spread.n if drop else 0


def _leading_number(text: str) -> float | None:
    """Return the mean of a cell such as '12.3 ± 4.5'; None where it is no number."""
    try:
        return float(text.split("±")[0])
    except ValueError:
        return None
