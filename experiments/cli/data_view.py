"""What `fedgroup data` prints and draws: files, group counts, samples, poisons and their bases."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as RichTable

from experiments.console import make_console, plain
from fedgroup import attacks, data
from fedgroup.attacks.attack import AttackWithBases
from fedgroup.attacks.gradient_matching.gradient_matching import GradientMatching, make_poisons
from fedgroup.data.prepare import check, prepare
from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.errors import FedgroupError
from fedgroup.settings.overrides import merge, parse_yaml, settings_of
from fedgroup.spec import build, short_name, to_dict
from fedgroup.task import Task, load_splits, prepared_splits

Picture = NDArray[np.uint8]
"""(height, width, 3) RGB."""
SIDE = 96
"""Smaller samples are enlarged by whole factors to about this many pixels."""


def prepare_data(name: str, root: Path | None) -> None:
    """Download where possible, decode into the bank, and print the group counts."""
    console = make_console()
    with Progress(console=console) as bars:
        tasks: dict[str, Any] = {}

        def progress(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=total or None)
            bars.update(tasks[label], completed=done, total=total or None)

        prepare(name, root, progress)
    _print_counts(_dataset(name, root), console)


def check_data(name: str, root: Path | None) -> None:
    """Print what the files of a data set look like."""
    for line in check(name, root):
        make_console().print(plain(line), soft_wrap=True, highlight=False)


def show_data(
    name: str,
    root: Path | None,
    out: Path,
    columns: int,
    attack: str | None = None,
    assignments: Sequence[str] = (),
) -> None:
    """Write a picture of training samples, one row per group, and print the group counts.

    Args:
        name: A data set: a short name or an import path.
        root: Folder of its files, where it has any.
        out: PNG file to write.
        columns: Samples per row.
        attack: An attack on samples whose poisons follow, each below its base; None for none.
        assignments: Settings of the attack, e.g. fraction=0.02.

    Raises:
        FedgroupError: A name or a setting is wrong, the attack makes no poisons, or `out` cannot be
            written.
    """
    torch.set_num_threads(1)  # as in a run, so that poisons made here are the run's
    dataset = _dataset(name, root)
    task = None if attack is None else _attacked_task(dataset, attack, assignments)
    train = load_splits(dataset).train
    rows = [
        _strip(train, np.flatnonzero(train.group == group)[:columns], columns)
        for group in range(len(train.info.groups))
    ]
    notes = ""
    if task is not None:
        pairs, notes = _poison_rows(task, columns)
        rows += pairs
        _draw_matching(task, out)
    _save(np.concatenate(rows, axis=0), max(1, SIDE // train.size[0]), out)
    console = make_console()
    _print_counts(dataset, console)
    written = f"Written: {out} (one row per group, in this order{notes})"
    console.print(plain(written), highlight=False)


def _dataset(name: str, root: Path | None) -> Any:
    settings: dict[str, Any] = {"use": name}
    if root is not None:
        settings["root"] = str(root.expanduser().resolve())
    return build(Task, {"data": settings}, "task").data


def _attacked_task(dataset: Any, attack: str, assignments: Sequence[str]) -> Task:
    settings: Any = parse_yaml(attack, "--attack")
    settings = {"use": settings} if isinstance(settings, str) else settings
    if not isinstance(settings, dict) or not isinstance(settings.get("use"), str):
        raise FedgroupError(f"--attack '{attack}' must be a name or a mapping with `use`")
    settings = merge(settings, settings_of(settings["use"], assignments))
    component = {"use": short_name(data.NAMES, type(dataset)), **to_dict(dataset)}
    return build(Task, {"data": component, "attack": settings}, "task")


def _draw_matching(task: Task, out: Path) -> None:
    """Write gradient matching's loss curve beside the picture."""
    from experiments.figures.matching_loss import matching_loss  # matplotlib

    if isinstance(task.attack, GradientMatching):
        splits = load_splits(task.data)
        trace = make_poisons(task.attack, splits, task.attack.plan(splits, task.attack_rng())).trace
        path = out.with_name(f"{out.stem}-loss.png")
        matching_loss(trace, path)
        make_console().print(f"Written: {path} (matching loss by step)", highlight=False)


def _poison_rows(task: Task, columns: int) -> tuple[list[Picture], str]:
    """Return the rows of a picture, bases above their poisons, and the words that say so."""
    clean, poisoned = load_splits(task.data).train, prepared_splits(task).train
    positions = np.flatnonzero(poisoned.poison)
    if not len(positions):
        raise FedgroupError(
            f"{type(task.attack).__name__} makes no poisons: choose one of "
            f"{', '.join(attacks.NAMES)}"
        )
    label = poisoned.info.classes[int(poisoned.y[positions[0]])]
    rows = [_strip(poisoned, positions[:columns], columns)]
    above = "; then"
    bases = _bases(task, clean, poisoned)
    if bases is not None:
        rows.insert(0, _strip(clean, bases[:columns], columns))
        above = "; then the bases, and below each"
    return rows, f"{above} its poison, labelled {label}: {len(positions)} in all"


def _bases(task: Task, clean: GroupedDataset, poisoned: GroupedDataset) -> Ints | None:
    """Return the positions in `clean` of the samples that poisons were made from; None: unknown."""
    if len(poisoned) == len(clean):
        return np.flatnonzero(poisoned.poison)
    if not isinstance(task.attack, AttackWithBases):
        return None
    return task.attack.bases(clean, task.attack_rng())


def _strip(view: GroupedDataset, positions: Ints, columns: int) -> Picture:
    """Return a row of at most `columns` samples with a white border."""
    images = view.pixels(positions).numpy()
    padded = np.full((columns, images.shape[1] + 2, images.shape[2] + 2, 3), 255, np.uint8)
    padded[: len(images), 1:-1, 1:-1] = images
    return np.concatenate(list(padded), axis=1)


def _save(picture: Picture, zoom: int, out: Path) -> None:
    try:
        Image.fromarray(picture.repeat(zoom, 0).repeat(zoom, 1)).save(out)
    except (OSError, ValueError) as error:
        raise FedgroupError(f"cannot write {out} ({error})") from error


def _print_counts(dataset: Any, console: Console) -> None:
    splits = load_splits(dataset)
    info = splits.train.info
    tiers = {group: name for name, members in info.tiers.items() for group in members}
    listing = RichTable(
        "group",
        "tier",
        *splits._fields,
        title=plain(f"{info.name} {to_dict(dataset)}", "table.title"),
        title_justify="left",
    )
    counted = [part.group_counts() for part in splits]
    for group, name in enumerate(info.groups):
        numbers = (str(int(counts[group])) for counts in counted)
        listing.add_row(plain(name), plain(tiers.get(group, "–")), *numbers)
    listing.add_row("total", "", *(str(int(counts.sum())) for counts in counted))
    console.print(listing)
