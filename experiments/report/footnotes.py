"""Marks beside numbers that too little stands behind, and what they mean.

A mark such as [a] stands in every cell that rests on the weak run; the footnote names rows and
seeds.
"""

from collections.abc import Mapping, Sequence

from experiments.results.measurements import Line, has_drop
from experiments.results.weak_rows import of_seeds
from experiments.tables.labels import short, which
from experiments.tables.table import Row, Table

Marks = Mapping[str, str]
"""Half a sentence -> its mark, a letter."""


def marks_of(lines: Sequence[Line]) -> Marks:
    """Return the mark of everything that is said of some row, in the order of the rows."""
    texts = dict.fromkeys(text for line in lines for text in (*line.weak, *line.weak_drops))
    return {text: _letter(number) for number, text in enumerate(texts)}


def mark(line: Line, metric: str, is_drop: bool, marks: Marks) -> str:
    """Return the marks of a cell.

    Args:
        line: The row.
        metric: Name of the number; only those that the model's predictions decide are marked.
        is_drop: Whether it is a drop, which rests on the baseline too.
        marks: Marks of the table.

    Returns:
        What stands after the number: '' or ' [a,c]'.
    """
    if not (has_drop(metric) or metric == "acc_paper"):
        return ""
    texts = [*line.weak, *(line.weak_drops if is_drop else ())]
    return f" [{','.join(marks[text] for text in texts)}]" if texts else ""


def footnotes(table: Table, lines: Sequence[Line]) -> list[str]:
    """Return one footnote per mark: what it means, and for which rows and seeds."""
    return [
        f"[{letter}] {text[:1].upper()}{text[1:]} ({_where(text, table, lines)})."
        for text, letter in marks_of(lines).items()
    ]


def _where(text: str, table: Table, lines: Sequence[Line]) -> str:
    """Name the rows and seeds that a footnote holds for."""
    rows: dict[tuple[int, ...], list[Row]] = {}
    for line in lines:
        seeds = line.weak.get(text) or line.weak_drops.get(text)
        if seeds:
            rows.setdefault(seeds, []).append(line.row)
    several = len(table.seeds) > 1
    named = []
    for seeds, members in rows.items():
        where = which(members, table.rows) or "all rows"
        if len(members) == 1 and len(table.rows) > 1:
            where = short(members[0], table.rows)
        named.append(f"{where}, {of_seeds(seeds)}" if several else where)
    return "; ".join(named)


def _letter(number: int) -> str:
    """Return a, b, ... z, aa, ab, ..."""
    first, last = divmod(number, 26)
    return (_letter(first - 1) if first else "") + chr(ord("a") + last)
