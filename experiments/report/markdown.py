"""The report of one table as Markdown."""

from collections.abc import Sequence

from experiments.report.columns import cells
from experiments.report.markdown_text import block, heading, shown
from experiments.report.separability_rows import CAPTION, COLUMNS
from experiments.report.verdict import Verdict
from experiments.results.measurements import Line
from experiments.tables.table import Table


def markdown(
    table: Table,
    lines: Sequence[Line],
    sentences: Sequence[str],
    notes: Sequence[str],
    signals: Sequence[Sequence[str]],
    verdict: Verdict | None,
) -> str:
    """Return the report of a table.

    Args:
        table: The table.
        lines: Its rows with their numbers.
        sentences: The summary.
        notes: What stands under the table.
        signals: Rows of the separability report; empty where nothing is probed.
        verdict: The verdict on what is audited; None where nothing is.

    Returns:
        Markdown that ends with a newline.
    """
    parts = [f"# {heading(table.title)}", block(table.note)]
    if verdict:
        parts += [
            "## Verdict",
            _list(verdict.sentences),
            _table(verdict.head, verdict.body),
            "## Summary",
        ]
    parts += [_list(sentences), _table(*cells(table, lines)), _list(notes)]
    if signals:
        parts += [CAPTION, _table(COLUMNS, signals)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    rows = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(shown(cell) for cell in row) + " |" for row in rows)


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {block(line)}" for line in lines)
