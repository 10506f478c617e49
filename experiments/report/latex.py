"""The printed table as LaTeX: booktabs, escaped, with a note of n, selection rule and spread."""

import re
from collections.abc import Callable, Sequence
from itertools import groupby

from experiments.report.columns import Cell, Column, lay_out
from experiments.report.latex_text import DEFINED, OTHER, breakable, escape
from experiments.results.measurements import Line
from experiments.tables.table import Table

NUMBERED = re.compile(r"^Table \d+: ")
"""A number of the paper, where LaTeX sets its own."""
LONG = {"label": 40, "notes": 80}
"""Letters of a cell beyond which its column is set as a paragraph, by part of the table."""
PARTS = {"value": "measured", "drop": "drop against {against}", "paper": "paper"}


def latex(table: Table, lines: Sequence[Line], notes: Sequence[str]) -> str:
    """Return a table environment that needs the booktabs package.

    Label columns in which all rows agree go to the caption: a page is narrow.

    Args:
        table: The table.
        lines: Its rows with their numbers.
        notes: What stands under it.

    Returns:
        LaTeX source that ends with a newline; letters that it has to define stand before the table.
    """
    columns, body, constant = _narrowed(*lay_out(table, lines))
    align = "".join(
        _alignment(column, [row[n] for row in body]) for n, column in enumerate(columns)
    )
    label = "".join(c for c in table.name if c.isascii() and (c.isalnum() or c in "-."))
    source = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"  \caption{{{escape(NUMBERED.sub('', table.title) + constant)}}}",
        rf"  \label{{tab:{label}}}",
        rf"  \begin{{tabular}}{{@{{}}{align}@{{}}}}",
        r"    \toprule",
        *_parts(columns, table.against),
        "    " + _row([column.heading for column in columns]),
        r"    \midrule",
        *("    " + _row([_signed(cell.text) for cell in row], breakable) for row in body),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"  \par\smallskip",
        r"  \begin{minipage}{\linewidth}\footnotesize",
        *(f"    {escape(note)}" for note in notes),
        r"  \end{minipage}",
        r"\end{table}",
    ]
    letters = [DEFINED] if any(OTHER in line for line in source) else []
    return "\n".join([*letters, *source]) + "\n"


def _alignment(column: Column, cells: Sequence[Cell]) -> str:
    """Return the letter that aligns a column; long text is a paragraph."""
    if any(len(cell.text) > LONG.get(column.part, len(cell.text)) for cell in cells):
        return r"p{.35\linewidth}"
    return "l" if column.part in LONG else "r"


def _narrowed(
    columns: list[Column], body: list[list[Cell]]
) -> tuple[list[Column], list[list[Cell]], str]:
    """Return the table without label columns of one value, and these in words."""
    kept, dropped = [], []
    for place, column in enumerate(columns):
        values = {row[place].text for row in body}
        if column.part == "label" and len(values) == 1 and len(body) > 1:
            dropped.append(f"{column.heading} {values.pop()}")
        else:
            kept.append(place)
    constant = f" ({', '.join(dropped)})" if dropped else ""
    return (
        [columns[place] for place in kept],
        [[row[place] for place in kept] for row in body],
        constant,
    )


def _signed(text: str) -> str:
    """Return a cell's text, the hyphen of a negative number as a minus sign."""
    return "−" + text[1:] if text[:1] == "-" and text[1:2].isdigit() else text


def _row(texts: Sequence[str], printed: Callable[[str], str] = escape) -> str:
    return " & ".join(printed(text) for text in texts) + r" \\"


def _parts(columns: Sequence[Column], against: str) -> list[str]:
    """Return the headings over the parts of the table, with a rule under each."""
    heads, rules, start = [], [], 1
    for part, group in groupby(columns, key=lambda column: column.part):
        width = len(list(group))
        text = escape(PARTS.get(part, "").replace("{against}", against))
        heads.append(
            rf"\multicolumn{{{width}}}{{c}}{{{text}}}" if text else " & ".join([""] * width)
        )
        if text:
            rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    return [f"    {' & '.join(heads)} \\\\", f"    {' '.join(rules)}"] if rules else []
