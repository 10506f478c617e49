"""What there is to choose from: tables, components, and the settings of each."""

import ast
import dataclasses
import inspect
import itertools
import textwrap
from typing import Any

from rich.table import Table as RichTable

from experiments.components.families import LISTED, family_of, imported_class
from experiments.console import make_console, plain
from experiments.tables.shipped import table_names, table_title
from fedgroup.errors import unknown
from fedgroup.spec import resolve


def print_catalogue() -> None:
    """Print tables and components, one line each."""
    console = make_console()
    tables = [(name, table_title(name)) for name in table_names()]
    sections = [("tables (fedgroup run NAME)", tables)]
    for family in LISTED:
        lines = [(name, _first_line(resolve(family.names, name))) for name in family.names]
        sections.append((f"{family.title} ({family.place})", lines))
    for title, lines in sections:
        listing = RichTable(
            title=title, title_justify="left", title_style="bold", box=None, show_header=False
        )
        for line in lines:
            listing.add_row(*(plain(text) for text in line))
        console.print(listing)
    console.print(
        "Your own: use an import path, e.g. --set federation.aggregator=my_pkg.mod:MyRule"
    )


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").split("\n")[0]


def print_settings(name: str) -> None:
    """Print the settings of one component with their defaults and meaning."""
    if ":" in name:
        _print_settings(name, family_of(name).kind, imported_class(name))
        return
    for family in LISTED:
        if name in family.names:
            title = f"{family.title} ({family.place})"
            _print_settings(name, title, resolve(family.names, name))
            return
    raise unknown("component", name, [n for family in LISTED for n in family.names])


def _print_settings(name: str, title: str, cls: type[Any]) -> None:
    console = make_console()
    about = plain(f" {title}\n{inspect.getdoc(cls) or ''}\n")
    console.print(plain(name, "bold"), about, highlight=False)
    if not dataclasses.is_dataclass(cls):  # a Flower strategy
        console.print(
            f"Its settings are the arguments of {cls.__name__}{inspect.signature(cls)}",
            highlight=False,
        )
        return
    listing = RichTable("setting", "default", "meaning", box=None, title_justify="left")
    notes = _field_notes(cls)
    for field in dataclasses.fields(cls):
        if field.init:
            default = getattr(cls(), field.name) if _has_defaults(cls) else "(required)"
            cells = (field.name, str(default), notes.get(field.name, ""))
            listing.add_row(*(plain(text) for text in cells))
    console.print(listing)


def _has_defaults(cls: Any) -> bool:
    missing = dataclasses.MISSING
    return all(
        f.default is not missing or f.default_factory is not missing
        for f in dataclasses.fields(cls)
    )


def _field_notes(cls: Any) -> dict[str, str]:
    """Return the docstrings under the fields of a dataclass by field, read from its source."""
    try:
        source = textwrap.dedent(inspect.getsource(cls))
        body = ast.parse(source).body[0].body  # type: ignore[attr-defined]
    except (OSError, TypeError, SyntaxError):
        return {}
    notes = {}
    for here, below in itertools.pairwise(body):
        if (
            isinstance(here, ast.AnnAssign)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
        ):
            notes[ast.unparse(here.target)] = " ".join(str(below.value.value).split())
    return notes
