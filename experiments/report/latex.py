"""The printed table as LaTeX: booktabs, escaped, with a note of n, selection rule and spread."""

import re
from collections.abc import Sequence
from itertools import groupby

from experiments.report.columns import Cell, Column, lay_out
from experiments.results.measurements import Line
from experiments.tables.table import Table

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_"},
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "×": r"$\times$",
    "²": r"\textsuperscript{2}",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
    "ε": r"$\varepsilon$",
    "λ": r"$\lambda$",
    "μ": r"$\mu$",
    "ρ": r"$\rho$",
    "σ": r"$\sigma$",
    "τ": r"$\tau$",
}
"""What LaTeX reads as something else, or does not know without packages."""
NUMBERED = re.compile(r"^Table \d+: ")
"""A number of the paper, where LaTeX sets its own."""
PARTS = {"value": "measured", "drop": "drop against {against}", "paper": "paper"}


def latex(table: Table, lines: Sequence[Line], notes: Sequence[str]) -> str:
    """Return a table environment that needs the booktabs package.

    Label columns in which all rows agree go to the caption: a page is narrow.

    Args:
        table: The table.
        lines: Its rows with their numbers.
        notes: What stands under it.
    """
    columns, body, constant = _narrowed(*lay_out(table, lines))
    align = "".join("l" if column.part in ("label", "notes") else "r" for column in columns)
    source = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"  \caption{{{escape(NUMBERED.sub('', table.title) + constant)}}}",
        rf"  \label{{tab:{''.join(c for c in table.name if c.isalnum() or c in '-.')}}}",
        rf"  \begin{{tabular}}{{@{{}}{align}@{{}}}}",
        r"    \toprule",
        *_parts(columns, table.against),
        "    " + _row([column.heading for column in columns]),
        r"    \midrule",
        *("    " + _row([_signed(cell.text) for cell in row]) for row in body),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"  \par\smallskip",
        r"  \begin{minipage}{\linewidth}\footnotesize",
        *(f"    {escape(note)}" for note in notes),
        r"  \end{minipage}",
        r"\end{table}",
    ]
    return "\n".join(source) + "\n"


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


def escape(text: str) -> str:
    """Return text that LaTeX prints as it stands."""
    return "".join(SPECIAL.get(character, character) for character in text.replace("\n", " "))


def _signed(text: str) -> str:
    """Return a cell's text, the hyphen of a negative number as a minus sign."""
    return "−" + text[1:] if text[:1] == "-" and text[1:2].isdigit() else text


def _row(texts: Sequence[str]) -> str:
    return " & ".join(escape(text) for text in texts) + r" \\"


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
