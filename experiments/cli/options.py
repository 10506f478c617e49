"""Options that several commands share, and the table that they choose."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fedgroup.errors import FedgroupError

TableArg = Annotated[
    str, typer.Argument(help="A table: a name from `fedgroup list`, or a .yaml file.")
]
Scale = Annotated[str | None, typer.Option(help="Size of the table's runs, e.g. small or paper.")]
Seeds = Annotated[str | None, typer.Option(help="Seeds, e.g. 0,1,2. Default: the table's.")]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Override a setting in every row, e.g. --set federation.rounds=20. Repeatable.",
    ),
]
Rules = Annotated[
    list[str] | None,
    typer.Option(
        "--rule",
        help="Add a rule of your own as rows, e.g. my_pkg.mod:MyRule or '{use: krum, f: 2}'. Repeatable.",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        help="Data set for every row, e.g. waterbirds or my_pkg.mod:MyData. Rows that name another are left "
        "out."
    ),
]
Root = Annotated[str | None, typer.Option(help="Folder of the data set's files (with --data).")]
Results = Annotated[
    Path, typer.Option(help="Where run directories and reports live.", envvar="FEDGROUP_RESULTS")
]
Jobs = Annotated[
    int, typer.Option(help="Runs side by side; 0 = as many as cores and --workers allow.")
]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1, mps; default: CUDA where there is one.")
]
Select = Annotated[
    str, typer.Option(help="Which round is reported: best_val_wga, final or last10.")
]


def chosen_table(
    name: str,
    scale: str | None,
    seeds: str | None,
    sets: list[str] | None,
    rules: list[str] | None,
    data: str | None,
    root: str | None,
) -> Any:
    """The table that a command's arguments name, with every override laid on it."""
    from experiments.tables.table import load

    chosen: dict[str, Any] | None = None
    if data is not None:
        chosen = {"use": data, **({"root": str(Path(root).expanduser().resolve())} if root else {})}
    elif root:
        raise FedgroupError("--root names the folder of a data set: give --data too")
    return load(name, scale, seed_list(seeds), chosen, sets or [], rules or [])


def seed_list(text: str | None) -> list[int] | None:
    """Seeds of a comma-separated list; None where none is given."""
    if text is None:
        return None
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        raise FedgroupError(
            f"--seeds '{text}' is not a list of whole numbers such as 0,1,2"
        ) from None
    if len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise FedgroupError(f"--seeds '{text}' must be distinct and not negative")
    return seeds
