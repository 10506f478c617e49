"""What there is to choose from, and what a table's runs are made of."""

import dataclasses
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table as RichTable

import strategies
from experiments.components.families import family, load
from experiments.launch.progress import make_console
from experiments.tables.labels import labelled
from experiments.tables.table import Table, describe, names
from fedgroup import attacks, data, methods, model
from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.errors import FedgroupError, unknown
from fedgroup.partitions import partition
from fedgroup.run_directory import status
from fedgroup.spec import build, merge, overrides, parse, resolve, short_name, to_dict
from fedgroup.task import Task, load_splits, prepared_splits

FAMILIES = {
    "data sets (task.data)": data.NAMES,
    "partitions (task.partition)": partition.NAMES,
    "models (task.model)": model.NAMES,
    "attacks on samples (task.attack)": attacks.NAMES,
    "attacks on updates (federation.byzantine)": attacks.BYZANTINE_NAMES,
    "aggregation rules (federation.aggregator)": strategies.NAMES,
    "centralized methods (method)": methods.NAMES,
}


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").split("\n")[0]


def catalogue() -> None:
    """Print tables and components, one line each."""
    console = make_console()
    for title, rows in [
        ("tables (fedgroup run NAME)", [(name, describe(name)) for name in names()]),
        *(
            (title, [(n, _first_line(resolve(known, n))) for n in known])
            for title, known in FAMILIES.items()
        ),
    ]:
        grid = RichTable(
            title=title, title_justify="left", title_style="bold", box=None, show_header=False
        )
        for row in rows:
            grid.add_row(*row)
        console.print(grid)
    console.print(
        "Your own: use an import path, e.g. --set federation.aggregator=my_pkg.mod:MyRule"
    )


def settings(name: str) -> None:
    """Print the settings of one component with their defaults and meaning."""
    if ":" in name:
        _print_settings(name, family(name), load(name))
        return
    for title, known in FAMILIES.items():
        if name in known:
            _print_settings(name, title, resolve(known, name))
            return
    raise unknown("component", name, [n for known in FAMILIES.values() for n in known])


def _print_settings(name: str, title: str, cls: type[Any]) -> None:
    console = make_console()
    console.print(f"[bold]{name}[/bold]  {title}\n{inspect.getdoc(cls) or ''}\n", highlight=False)
    if not dataclasses.is_dataclass(cls):  # a Flower strategy
        console.print(
            f"Its settings are the arguments of {cls.__name__}{inspect.signature(cls)}",
            highlight=False,
        )
        return
    grid = RichTable("setting", "default", "meaning", box=None, title_justify="left")
    notes = _field_notes(cls)
    for field in dataclasses.fields(cls):
        if field.init:
            default = getattr(cls(), field.name) if _has_defaults(cls) else "(required)"
            grid.add_row(field.name, str(default), notes.get(field.name, ""))
    console.print(grid)


def _has_defaults(cls: Any) -> bool:
    missing = dataclasses.MISSING
    return all(
        f.default is not missing or f.default_factory is not missing
        for f in dataclasses.fields(cls)
    )


def _field_notes(cls: Any) -> dict[str, str]:
    """Docstrings written under the fields of a dataclass, read from its source."""
    import ast
    import itertools
    import textwrap

    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body  # type: ignore[attr-defined]
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


def explain(table: Table, results: Path) -> None:
    """Print the settings of a table's first row with their origin, then what each row changes."""
    console = make_console()
    first = table.experiments()[0]
    console.print(
        f"[bold]{table.title}[/bold]  "
        f"({table.name}, scale {table.scale or 'none'}, seeds {list(table.seeds)})"
    )
    if table.note:
        console.print(table.note, highlight=False)
    grid = RichTable("setting", "value", "from", box=None, title="first row", title_justify="left")
    chosen = {path for path, _ in _flatten(first.to_dict(defaults=False))}
    for path, value in _flatten(first.to_dict()):
        grid.add_row(path, str(value), _origin(table, path) if path in chosen else "default")
    console.print(grid)
    base = dict(_flatten(first.to_dict()))
    runs = RichTable("run", "directory", "state", "differs from the first row by", box=None)
    for experiment, label in labelled(table):
        other = dict(_flatten(experiment.to_dict()))
        changes = [f"{k}={v}" for k, v in other.items() if base.get(k, object()) != v]
        runs.add_row(
            label, str(results / experiment.id), status(results / experiment.id), " ".join(changes)
        )
    console.print(runs)


def _origin(table: Table, path: str) -> str:
    for known in (path, path.removesuffix(".use")):
        if known in table.origin:
            return table.origin[known]
    return "row"


def _flatten(values: dict[str, Any], where: str = "") -> list[tuple[str, Any]]:
    out: list[tuple[str, Any]] = []
    for key, value in values.items():
        path = f"{where}.{key}" if where else key
        out += _flatten(value, path) if isinstance(value, dict) else [(path, value)]
    return out


def _dataset(name: str, root: Path | None) -> Any:
    settings: dict[str, Any] = {"use": name}
    if root is not None:
        settings["root"] = str(root.expanduser().resolve())
    return build(Task, {"data": settings}, "task").data


def prepare_data(name: str, root: Path | None) -> None:
    """Download where possible, decode into the bank, and print the group counts."""
    from fedgroup.data.prepare import prepare

    console = make_console()
    from rich.progress import Progress as RichProgress

    with RichProgress(console=console) as bars:
        tasks: dict[str, Any] = {}

        def progress(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=total or None)
            bars.update(tasks[label], completed=done, total=total or None)

        prepare(name, root, progress)
    _print_counts(_dataset(name, root), console)


def check_data(name: str, root: Path | None) -> None:
    """Print what the files of a data set look like."""
    from fedgroup.data.prepare import check

    for line in check(name, root):
        make_console().print(line, soft_wrap=True, highlight=False)


def show_data(
    name: str,
    root: Path | None,
    out: Path,
    columns: int,
    attack: str | None = None,
    sets: Sequence[str] = (),
) -> None:
    """Write a grid of training samples, one row per group, poisons beside their bases; print the counts."""
    from PIL import Image

    torch.set_num_threads(1)  # as in a run, so that poisons made here are the run's
    dataset = _dataset(name, root)
    train = load_splits(dataset).train
    rows = []
    for group in range(len(train.info.groups)):
        chosen = np.flatnonzero(train.group == group)[:columns]
        rows.append(_strip(train, chosen, columns))
    notes = ""
    if attack is not None:
        task = _attacked_task(dataset, attack, sets)
        pairs, notes = _poison_rows(task, columns)
        rows += pairs
        _draw_matching(task, out)
    grid = np.concatenate(rows, axis=0)
    zoom = max(1, 96 // train.size[0])
    try:
        Image.fromarray(grid.repeat(zoom, 0).repeat(zoom, 1)).save(out)
    except (OSError, ValueError) as error:
        raise FedgroupError(f"cannot write {out} ({error})") from error
    console = make_console()
    _print_counts(dataset, console)
    console.print(f"Written: {out} (one row per group, in this order{notes})", highlight=False)


def _attacked_task(dataset: Any, attack: str, sets: Sequence[str]) -> Task:
    settings: Any = parse(attack, "--attack")
    settings = {"use": settings} if isinstance(settings, str) else dict(settings or {})
    settings = merge(settings, overrides(sets))
    return build(Task, {"data": _as_settings(dataset), "attack": settings}, "task")


def _draw_matching(task: Task, out: Path) -> None:
    """Write gradient matching's loss curve beside the picture."""
    from experiments.figures.matching_loss import matching_loss
    from fedgroup.attacks.gradient_matching.gradient_matching import GradientMatching, brew

    if isinstance(task.attack, GradientMatching):
        splits = load_splits(task.data)
        trace = brew(task.attack, splits, task.attack.plan(splits, task.attack_rng())).trace
        path = out.with_name(f"{out.stem}-loss.png")
        matching_loss(trace, path)
        make_console().print(f"Written: {path} (matching loss by step)", highlight=False)


def _poison_rows(task: Task, columns: int) -> tuple[list[NDArray[np.uint8]], str]:
    """Two rows of a picture: bases above their poisons; and the words that say so."""
    clean, poisoned = load_splits(task.data).train, prepared_splits(task).train
    positions = np.flatnonzero(poisoned.poison)
    if not len(positions):
        raise FedgroupError(
            f"{type(task.attack).__name__} makes no poisons: choose one of {', '.join(attacks.NAMES)}"
        )
    finder = getattr(task.attack, "bases", None)
    label = poisoned.info.classes[int(poisoned.y[positions[0]])]
    rows = [_strip(poisoned, positions[:columns], columns)]
    above = "; then"
    bases = positions if len(poisoned) == len(clean) else None
    if bases is None and finder is not None:
        bases = finder(clean, task.attack_rng())
    if bases is not None:
        rows.insert(0, _strip(clean, bases[:columns], columns))
        above = "; then the bases, and below each"
    return rows, f"{above} its poison, labelled {label}: {len(positions)} in all"


def _strip(view: GroupedDataset, positions: Ints, columns: int) -> NDArray[np.uint8]:
    """Row of at most `columns` pictures with a white border."""
    images = view.pixels(positions).numpy()
    padded = np.full((columns, images.shape[1] + 2, images.shape[2] + 2, 3), 255, np.uint8)
    padded[: len(images), 1:-1, 1:-1] = images
    return np.concatenate(list(padded), axis=1)


def _as_settings(component: Any) -> dict[str, Any]:
    return {"use": short_name(data.NAMES, type(component)), **to_dict(component)}


def _print_counts(dataset: Any, console: Console) -> None:
    splits = load_splits(dataset)
    info = splits.train.info
    tier = {g: name for name, members in info.tiers.items() for g in members}
    grid = RichTable(
        "group",
        "tier",
        "train",
        "val",
        "test",
        title=f"{info.name} {to_dict(dataset)}",
        title_justify="left",
    )
    counted = [part.group_counts() for part in splits]
    for g, name in enumerate(info.groups):
        grid.add_row(name, tier.get(g, "–"), *(str(int(c[g])) for c in counted))
    grid.add_row("total", "", *(str(int(c.sum())) for c in counted))
    console.print(grid)
