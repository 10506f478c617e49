"""What all figures share: colours of methods and tiers, line styles by case, and how they are saved."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.tables.labels import varying, words
from experiments.tables.table import Row, Table

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
"""Colours of the shipped tables' methods in every figure: from palettes made for colour-blind readers
(Okabe and Ito 2008; Tol 2021, muted)."""
OTHERS = ("#e69f00", "#88ccee", "#661100", "#6699cc", "#888888", "#aa4466", "#4477aa", "#ddcc77")
"""Colours of other methods, in the order of the table."""
TIERS = {"poisons": "#1b1b1b", "LRG-1": "#d55e00", "LRG-2": "#e69f00", "HRG": "#0072b2"}
DASHES = {"ideal": "--", "worst": ":", "no": "--", "non-iid": "--"}
"""Line style by the value of the style column; others are drawn solid."""
HATCHES = {"--": "///", ":": "...", "-": ""}
STYLE_COLUMNS = ("CASE", "IID?")
MARKERS = "osD^vPX<>*"
GREY = "#666666"
SETTINGS: Any = {
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

styled = matplotlib.rc_context(SETTINGS)
"""Decorator of every function that draws."""


def colour_column(table: Table) -> str:
    """Label column that the colour tells: METHOD, or the first."""
    first = table.rows[0].label
    return "METHOD" if "METHOD" in first else next(iter(first), "")


def style_column(table: Table) -> str:
    """Label column that line styles tell: the case or the split; '' where there is none."""
    return next(
        (c for c in STYLE_COLUMNS if c in table.rows[0].label and c != colour_column(table)), ""
    )


def colours(table: Table) -> dict[str, str]:
    """Colour by value of the colour column: ordered shades where all values are numbers."""
    values = list(dict.fromkeys(row.label.get(colour_column(table), "") for row in table.rows))
    if len(values) > 1 and all(_is_number(value) for value in values):
        shades = colormaps["viridis"]
        return {v: to_hex(shades(0.88 * i / (len(values) - 1))) for i, v in enumerate(values)}
    unknown = [value for value in values if value not in METHODS]
    return {
        value: METHODS.get(value) or OTHERS[unknown.index(value) % len(OTHERS)] for value in values
    }


def style(row: Row, table: Table) -> dict[str, Any]:
    """Colour and line style of a row."""
    return {
        "color": colours(table)[row.label.get(colour_column(table), "")],
        "linestyle": DASHES.get(row.label.get(style_column(table), "").lower(), "-"),
    }


def facets(table: Table) -> dict[str, list[Row]]:
    """Rows by what neither colour nor line style tells: one panel (or row of panels) each."""
    told = {colour_column(table), style_column(table)}
    parted: dict[str, list[Row]] = {}
    for row in table.rows:
        kept = [word for key, word in varying(row, table.rows).items() if key not in told]
        parted.setdefault(", ".join(kept), []).append(row)
    return parted


def legend(figure: Figure, table: Table, rows: Sequence[Row]) -> None:
    """One legend under the panels: the colours, then the line styles."""
    by_colour, column = {}, style_column(table)
    by_style = {}
    for row in rows:
        how = style(row, table)
        by_colour[row.label.get(colour_column(table), "")] = how["color"]
        if column:
            place = list(row.label).index(column)
            by_style[words(row.label)[place]] = how["linestyle"]
    numbered = all(_is_number(value) for value in by_colour)
    prefix = f"{colour_column(table).lower()} " if numbered else ""
    handles = [Line2D([], [], color=c, label=prefix + v, linewidth=2) for v, c in by_colour.items()]
    if len(by_style) > 1:
        handles += [Line2D([], [], color=GREY, linestyle=s, label=v) for v, s in by_style.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6))


def canvas(rows: int, columns: int, width: float, height: float) -> tuple[Figure, list[list[Axes]]]:
    """A figure of rows x columns panels, `width` x `height` inches in all."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    return figure, [list(row) for row in axes]


def save(figure: Figure, path: Path) -> list[Path]:
    """Write a figure: to `path`, or in every format beside each other where it has no suffix.

    Each file appears whole or not at all; equal figures are equal files.
    """
    made = (
        [path] if path.suffix in FORMATS else [path.with_name(path.name + end) for end in FORMATS]
    )
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # placed once, not once per format
    for file in made:
        temporary = file.with_name(f".{file.name}.tmp")
        figure.savefig(temporary, format=file.suffix[1:], dpi=150, metadata=UNDATED[file.suffix])
        temporary.replace(file)
    return made


def _is_number(text: str) -> bool:
    try:
        float(text.rstrip("%"))
    except ValueError:
        return False
    return True
