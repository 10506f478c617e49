"""The report as one HTML page that needs nothing else: no network, no files beside it, no framework."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from experiments.report.columns import Cell, Column, Grid
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


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it."""

    name: str
    title: str
    about: str
    source: str
    """A data URI."""


@dataclass(frozen=True)
class Section:
    """Everything the page says about one table."""

    name: str
    title: str
    note: str
    sentences: Sequence[str]
    grid: Grid
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


def page(title: str, sections: Sequence[Section], together: Sequence[str] = ()) -> str:
    """The HTML of a report of one table or several; equal arguments give equal text.

    `together` are sentences over all tables. What every table's summary says is said once, with them.
    """
    folder = resources.files("experiments") / "report"

    def asset(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"parts": parts, "interval": interval, "sortable": sortable}
    shared: dict[str, Any] = {"signals_caption": CAPTION, "signals_columns": COLUMNS}
    template = environment.from_string(asset("page.html"))
    style, script = (
        Markup(asset("page.css")),
        Markup(asset("page.js")),
    )  # our own text, nothing of a run
    first, *others = sections
    common = [
        said
        for said in first.sentences
        if others and all(said in other.sentences for other in others)
    ]
    shared |= {"common": common, "together": [*common, *together]}
    return template.render(title=title, sections=sections, style=style, script=script, **shared)


def picture(name: str, title: str, about: str, folder: Path) -> Picture:
    """A drawn figure from its files NAME.svg and NAME.png in `folder`, whichever is smaller.

    It becomes an image, not markup: nothing in it can run, and its ids meet no others.
    """
    kinds = {"svg": "image/svg+xml", "png": "image/png"}
    files = {kind: (folder / f"{name}.{kind}").read_bytes() for kind in kinds}
    kind = min(files, key=lambda kind: len(files[kind]))
    source = f"data:{kinds[kind]};base64,{base64.b64encode(files[kind]).decode()}"
    return Picture(name, title, about, source)


def parts(columns: Sequence[Column], against: str) -> list[tuple[str, int]]:
    """Headings over the parts of a table and how many columns each spans."""
    heads = {part: text.replace("{against}", against) for part, text in PARTS.items()}
    return [
        (heads[part], len(list(group))) for part, group in groupby(columns, key=lambda c: c.part)
    ]


def sortable(cell: Cell) -> str:
    """Number by which a cell is sorted; empty where it is sorted by its text."""
    return "" if cell.value is None or math.isnan(cell.value) else repr(cell.value)


def interval(cell: Cell) -> str:
    """95 % interval of a drop in words; empty where there is none."""
    return (
        "" if cell.interval is None else f"{number(cell.interval[0])} to {number(cell.interval[1])}"
    )
