"""What all figures share: colours of methods and tiers, line styles by case, how they are saved."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from experiments.figures.backend import PLAIN
from experiments.figures.glyphs import families, show_letters
from experiments.results.measurements import Line
from experiments.tables.labels import name, varying, words
from experiments.tables.table import Row, Table
from fedgroup.storage import atomic

FORMATS = (".svg", ".pdf", ".png")

METHODS = {
    "FedAvg": "#1b1b1b",
    "ERM": "#1b1b1b",
    "Median": "#cc6677",
    "Trimmed mean": "#332288",
    "SparseFed (ρ = 0)": "#44aa99",
    "SparseFed (ρ = 0.9)": "#117733",
    "Norm clipping": "#56b4e9",
    "Multi-Krum": "#999933",
    "Geometric median": "#882255",
    "NNM + trimmed mean": "#aa4499",
    "JTT": "#0072b2",
    "GEORGE": "#d55e00",
    "GroupDRO": "#cc79a7",
    "EPIC": "#009e73",
}
"""Colours of the shipped tables' methods in every figure.

From palettes made for colour-blind readers (Okabe and Ito 2008; Tol 2021, muted).
"""
OTHERS = ("#e69f00", "#88ccee", "#661100", "#6699cc", "#888888", "#aa4466", "#4477aa", "#ddcc77")
"""Colours of other methods, in the order of the table."""
TIERS = {"poisons": "#1b1b1b", "LRG-1": "#d55e00", "LRG-2": "#e69f00", "HRG": "#0072b2"}
DASHES = {"ideal": "--", "worst": ":", "no": "--", "non-iid": "--"}
"""Line style by the value of the style column; others are drawn solid."""
HATCHES = {"--": "///", ":": "...", "-": ""}
NOTHING = "–"
"""In a label: this column says nothing of the row."""
STYLE_COLUMNS = ("CASE", "IID?")
DPI = 150
COLUMN_WIDTH = 3.3
"""Inches: a column of a paper."""
MARKERS = "osD^vPX<>*"
GREY = "#666666"
SETTINGS: Any = {
    "text.parse_math": False,  # the one place that says so: no text of anybody is a formula
    "text.usetex": False,
    "font.sans-serif": families(),
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.hashsalt": "fedgroup",
    "pdf.fonttype": 42,
}
UNDATED = {
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Producer": None},
    ".png": {"Software": None},
}
"""Metadata that would make equal figures differ."""

styled = matplotlib.rc_context(PLAIN | SETTINGS)
"""Decorator of every function that draws."""


def colour_column(table: Table) -> str:
    """Return the label column that the colour tells: METHOD, or the first."""
    first = table.rows[0].label
    return "METHOD" if "METHOD" in first else next(iter(first), "")


def style_column(table: Table) -> str:
    """Return the label column that line styles tell, case or split; '' where there is none."""
    return next(
        (c for c in STYLE_COLUMNS if c in table.rows[0].label and c != colour_column(table)), ""
    )


def colours(table: Table) -> dict[str, str]:
    """Return the colour of each value of the colour column; shades where all are numbers."""
    values = list(dict.fromkeys(row.label.get(colour_column(table), "") for row in table.rows))
    if len(values) > 1 and all(_is_number(value) for value in values):
        shades = colormaps["viridis"]
        return {v: to_hex(shades(0.88 * i / (len(values) - 1))) for i, v in enumerate(values)}
    unknown = [value for value in values if value not in METHODS]
    return {
        value: METHODS.get(value) or OTHERS[unknown.index(value) % len(OTHERS)] for value in values
    }


def style(row: Row, table: Table) -> dict[str, Any]:
    """Return the colour and the line style of a row."""
    return {
        "color": colours(table)[row.label.get(colour_column(table), "")],
        "linestyle": DASHES.get(row.label.get(style_column(table), "").lower(), "-"),
    }


def ink(colour: str) -> str:
    """Return the colour, darkened until it reads on white as text (a contrast of 3.5 to 1)."""
    red, green, blue = to_rgb(colour)
    while (1.05 / (_luminance(red, green, blue) + 0.05)) < 3.5:
        red, green, blue = 0.95 * red, 0.95 * green, 0.95 * blue
    return to_hex((red, green, blue))


def _luminance(*channels: float) -> float:
    """Return the relative luminance (WCAG 2.1) of red, green and blue between 0 and 1."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def line_columns(table: Table) -> list[str]:
    """Return the label columns that name a line within its panel: what colour and case tell."""
    columns = dict.fromkeys((colour_column(table), "CASE"))
    differing = [key for key in columns if len({row.label.get(key) for row in table.rows}) > 1]
    return differing or [colour_column(table)]


def line_name(row: Row, table: Table) -> str:
    """Return the name of a row's line: its label in the columns that name lines."""
    kept = line_columns(table)
    named = zip(row.label, words(row.label), strict=True)
    parts = [word for key, word in named if key in kept and word != NOTHING]
    return ", ".join(parts) or name(row)


def line_look(row: Row, table: Table) -> dict[str, Any]:
    """Return colour and line style of a row; dashes tell cases only, panels part the rest."""
    look = style(row, table)
    return look if style_column(table) == "CASE" else look | {"linestyle": "-"}


def facets(table: Table) -> dict[str, list[Row]]:
    """Return rows by what does not name their lines: one row of panels each."""
    naming = line_columns(table)
    parted: dict[str, list[Row]] = {}
    for row in table.rows:
        kept = [
            word
            for key, word in varying(row, table.rows).items()
            if key not in naming and word != NOTHING
        ]
        parted.setdefault(", ".join(kept), []).append(row)
    return parted


def seeds(lines: Sequence[Line]) -> str:
    """Say how many seeds stand behind the rows that are finished: 'n = 3 seeds'."""
    counted = sorted({n for line in lines if (n := sum(run is not None for run in line.runs))})
    text = " to ".join(str(n) for n in dict.fromkeys((counted[0], counted[-1]))) if counted else "0"
    return f"n = {text} seed{'' if text == '1' else 's'}"


def canvas(
    rows: int,
    columns: int,
    width: float,
    height: float,
    heights: Sequence[float] | None = None,
    share_y: bool = False,
) -> tuple[Figure, list[list[Axes]]]:
    """Make a figure of panels.

    Args:
        rows: Rows of panels.
        columns: Columns of panels.
        width: Width of the whole figure in inches.
        height: Its height in inches.
        heights: Relative heights of the rows; equal where there are none.
        share_y: Whether the panels of one column have one y axis.

    Returns:
        The figure, and its panels by row and column.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(
        rows,
        columns,
        squeeze=False,
        sharey="col" if share_y else False,
        height_ratios=heights,
    )
    return figure, [list(row) for row in axes]


def save(figure: Figure, path: Path) -> list[Path]:
    """Write a figure: to `path`, or in every format beside each other where it has no suffix.

    Each file appears whole or not at all; equal figures are equal files.
    """
    files = (
        [path] if path.suffix in FORMATS else [path.with_name(path.name + end) for end in FORMATS]
    )
    show_letters(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # placed once, not once per format
    for file in files:
        with atomic(file) as temporary:
            kind = file.suffix
            figure.savefig(temporary, format=kind[1:], dpi=DPI, metadata=UNDATED[kind])
    return files


def _is_number(text: str) -> bool:
    try:
        float(text.rstrip("%"))
    except ValueError:
        return False
    return True
