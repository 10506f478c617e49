"""The report as one HTML page that needs nothing else: no network, no files, no framework."""

import base64
import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from experiments.report.columns import Cell, Column, Layout
from experiments.report.metric_format import number
from experiments.report.provenance import Provenance
from experiments.report.separability_rows import CAPTION, COLUMNS
from experiments.report.verdict import Verdict

PARTS = {
    "label": "",
    "value": "measured",
    "drop": "drop against {against}, points",
    "paper": "paper",
    "notes": "",
}
"""Headings over the parts of a table."""
DOTS = 150
"""Dots per inch of the PNG files."""
LARGER = 2
"""An SVG, sharp at any size, is taken up to so many times the size of the PNG."""
_RTL = "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
RIGHT_TO_LEFT = re.compile(f"{_RTL}+(?:[ '\"-]+{_RTL}+)*")
"""Words that are written from right to left."""
NARROW = 340
"""Pixels: a figure no wider stands beside the summary and the table."""


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it."""

    name: str
    title: str
    about: str
    source: str
    """A data URI."""
    width: int
    """Width in print, in CSS pixels (96 an inch)."""
    height: int


@dataclass(frozen=True)
class Section:
    """What the page says about one table."""

    name: str
    title: str
    note: str
    sentences: Sequence[str]
    layout: Layout
    notes: Sequence[str]
    signals: Sequence[Sequence[str]]
    """Rows of the separability report."""
    caption: str
    pictures: Sequence[Picture]
    missing: Sequence[str]
    """Figures that could not be drawn, and why."""
    runs: Sequence[Provenance]
    against: str = "FedAvg"
    """What drops are taken against."""
    verdict: Verdict | None = None

    @property
    def lead(self) -> Picture | None:
        """The figure to see first: the first that is as narrow as a column of text."""
        return next((figure for figure in self.pictures if figure.width <= NARROW), None)


def page(title: str, sections: Sequence[Section], together: Sequence[str] = ()) -> str:
    """Return the HTML of a report of one table or several; equal arguments give equal text.

    Args:
        title: Title of the page.
        sections: What it says about each table. What all of their summaries say is said once.
        together: Sentences over all tables.

    Returns:
        The whole page, with styles, script and figures in it.
    """
    folder = resources.files("experiments") / "report"

    def asset(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=isolated,
    )
    environment.globals |= {"parts": parts, "interval": interval, "sortable": sortable}
    shared: dict[str, Any] = {"signals_caption": CAPTION, "signals_columns": COLUMNS}
    template = environment.from_string(asset("page.html"))
    # our own text, nothing of a run
    style, script = Markup(asset("page.css")), Markup(asset("page.js"))
    first, *others = sections
    common = [
        said
        for said in first.sentences
        if others and all(said in other.sentences for other in others)
    ]
    shared |= {"common": common, "together": [*common, *together]}
    return template.render(title=title, sections=sections, style=style, script=script, **shared)


def isolated(value: Any) -> Any:
    """Return text in which what is written from right to left stands by itself.

    A number after a Hebrew or Arabic name would otherwise be drawn before it. The isolates are
    characters (U+2068, U+2069), so that they serve in attributes too; markup stays as it is.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return RIGHT_TO_LEFT.sub("\u2068\\g<0>\u2069", value)


def picture(name: str, title: str, about: str, folder: Path) -> Picture:
    """Return a drawn figure as the page shows it: its SVG, or the PNG where that is far smaller.

    It becomes an image, not markup: nothing in it can run, and its ids meet no others.

    Args:
        name: Name of the figure.
        title: Its title.
        about: Its caption.
        folder: Where NAME.svg and NAME.png are.

    Returns:
        The figure as a data URI, with its width and height in CSS pixels (96 an inch).
    """
    svg, png = ((folder / f"{name}.{kind}").read_bytes() for kind in ("svg", "png"))
    kind, content = ("svg+xml", svg) if len(svg) <= LARGER * len(png) else ("png", png)
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    width, height = struct.unpack(">II", png[16:24])  # of its header, in dots
    return Picture(name, title, about, source, width * 96 // DOTS, height * 96 // DOTS)


def parts(columns: Sequence[Column], against: str) -> list[tuple[str, int]]:
    """Return headings over the parts of a table and how many columns each spans."""
    heads = {part: text.replace("{against}", against) for part, text in PARTS.items()}
    return [
        (heads[part], len(list(group))) for part, group in groupby(columns, key=lambda c: c.part)
    ]


def sortable(cell: Cell) -> str:
    """Return the number by which a cell is sorted; empty where it is sorted by its text."""
    return "" if cell.value is None or math.isnan(cell.value) else repr(cell.value)


def interval(cell: Cell) -> str:
    """Return the 95 % interval of a drop in words; empty where there is none."""
    return (
        "" if cell.interval is None else f"{number(cell.interval[0])} to {number(cell.interval[1])}"
    )
