"""What `fedgroup show` and `fedgroup status` print of a table's runs."""

from pathlib import Path
from typing import Any

from rich.table import Table as RichTable

from experiments.console import make_console
from experiments.launch.scheduler import Watched, look
from experiments.tables.labels import labelled
from experiments.tables.table import Table
from fedgroup.model_selection import counts
from fedgroup.run_directory import status


def print_spec(table: Table, results: Path) -> None:
    """Print the settings of a table's first row with their origin, then what each run changes."""
    console = make_console()
    first = table.experiments()[0]
    console.print(
        f"[bold]{table.title}[/bold]  "
        f"({table.name}, scale {table.scale or 'none'}, seeds {list(table.seeds)})"
    )
    if table.note:
        console.print(table.note, highlight=False)
    listing = RichTable(
        "setting", "value", "from", box=None, title="first row", title_justify="left"
    )
    chosen = {path for path, _ in _flatten(first.to_dict(defaults=False))}
    base = dict(_flatten(first.to_dict()))
    for path, value in base.items():
        listing.add_row(path, str(value), _origin(table, path) if path in chosen else "default")
    console.print(listing)
    runs = RichTable("run", "directory", "state", "differs from the first row by", box=None)
    for experiment, label in labelled(table):
        folder = results / experiment.id
        values = _flatten(experiment.to_dict())
        changes = [f"{path}={value}" for path, value in values if base.get(path, object()) != value]
        runs.add_row(label, str(folder), status(folder), " ".join(changes))
    console.print(runs)


def _origin(table: Table, path: str) -> str:
    """Return the layer that a setting came from; a component's `use` may be its name alone."""
    for place in (path, path.removesuffix(".use")):
        if place in table.origin:
            return table.origin[place]
    return "row"


def _flatten(values: dict[str, Any], where: str = "") -> list[tuple[str, Any]]:
    """Return the settings of a nested mapping by dotted path."""
    settings: list[tuple[str, Any]] = []
    for key, value in values.items():
        path = f"{where}.{key}" if where else key
        settings += _flatten(value, path) if isinstance(value, dict) else [(path, value)]
    return settings


def print_status(table: Table, results: Path) -> None:
    """Print one line per run: state, round, current WGA."""
    listing = RichTable(title=table.title, title_justify="left", box=None, pad_edge=False)
    for head in ("state", "run", "round", "WGA", "directory"):
        listing.add_column(head)
    for experiment, label in labelled(table):
        run = Watched(experiment, label)
        look(run, results)
        folder = results / experiment.id
        wga = f"{100 * counts(run.last, 'test').wga():.1f}" if run.last else ""
        state = status(folder)
        place = str(folder) if state != "missing" else ""
        listing.add_row(state, label, f"{run.done}/{run.rounds}", wga, place)
    make_console().print(listing)
