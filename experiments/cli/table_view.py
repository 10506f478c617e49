"""What `fedgroup show` and `fedgroup status` print of a table's runs."""

from pathlib import Path
from typing import Any

from rich.table import Table as RichTable

from experiments.console import make_console, plain
from experiments.launch.progress import wga_of
from experiments.launch.scheduler import Watched, look
from experiments.results.finished_runs import reason, run_state
from experiments.results.older_runs import OlderRuns, changes, kept_note
from experiments.tables.labels import labelled
from experiments.tables.table import Table


def print_spec(table: Table, results: Path) -> None:
    """Print the settings of a table's first row with their origin, then what each run changes."""
    console = make_console()
    first = table.experiments()[0]
    facts = f"({table.name}, scale {table.scale or 'none'}, seeds {list(table.seeds)})"
    console.print(plain(table.title, "bold"), plain(f" {facts}"))
    if table.note:
        console.print(plain(table.note), highlight=False)
    listing = RichTable(
        "setting", "value", "from", box=None, title="first row", title_justify="left"
    )
    chosen = {path for path, _ in _flatten(first.to_dict(defaults=False))}
    base = dict(_flatten(first.to_dict()))
    for path, value in base.items():
        origin = _origin(table, path) if path in chosen else "default"
        listing.add_row(plain(path), plain(str(value)), plain(origin))
    console.print(listing)
    runs = RichTable("run", "directory", "state", "differs from the first row by", box=None)
    for experiment, label in labelled(table):
        folder = results / experiment.id
        values = _flatten(experiment.to_dict())
        changes = [f"{path}={value}" for path, value in values if base.get(path, object()) != value]
        cells = (label, str(folder), run_state(experiment, results), " ".join(changes))
        runs.add_row(*(plain(cell) for cell in cells))
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
    title = plain(table.title, "table.title")
    listing = RichTable(title=title, title_justify="left", box=None, pad_edge=False)
    for head in ("state", "run", "round", "WGA", "directory"):
        listing.add_column(head)
    runs = OlderRuns(results)
    reasons: list[str] = []
    for experiment, label in labelled(table):
        run = Watched(experiment, label)
        look(run, results)
        folder = results / experiment.id
        wga = wga_of(run.last)
        state = run_state(experiment, results)
        if why := reason(experiment, results):
            reasons.append(f"{label}: {why}")
        older = runs.of(experiment.identity) if state == "missing" else None
        if older is not None:
            state, folder = f"changed: {', '.join(older.changed)}", older.folder
        elif note := kept_note(experiment):
            state = f"{state}, kept: {note}"
        place = str(folder) if state != "missing" else ""
        cells = (state, label, f"{run.done}/{run.rounds}", wga, place)
        listing.add_row(*(plain(cell) for cell in cells))
    console = make_console()
    console.print(listing)
    for line in [*reasons, *changes([table], results)]:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
