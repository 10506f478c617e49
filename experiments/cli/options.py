"""Options that several commands share, and the tables that they choose."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedgroup.errors import FedgroupError

if TYPE_CHECKING:
    from experiments.tables.table import Table

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
        help="Add a rule of your own as rows, e.g. my_pkg.mod:MyRule or '{use: krum, f: 2}'. "
        "Repeatable.",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        help="Data set for every row, e.g. waterbirds or my_pkg.mod:MyData. Rows that name another "
        "are left out."
    ),
]
Root = Annotated[str | None, typer.Option(help="Folder of the data set's files (with --data).")]
Results = Annotated[
    Path, typer.Option(help="Where run directories and reports live.", envvar="FEDGROUP_RESULTS")
]
Stale = Annotated[
    bool,
    typer.Option(
        "--stale",
        help="Keep finished runs of the same settings whose code or files have changed since.",
    ),
]
Jobs = Annotated[
    int, typer.Option(help="Runs side by side; 0 = as many as cores and --workers allow.")
]
Workers = Annotated[
    int, typer.Option(help="Clients of a run that train side by side, on Ray; 1 = no Ray.")
]
GpusPerClient = Annotated[
    float | None,
    typer.Option(help="Share of a GPU per worker; default: all GPUs, shared evenly."),
]
Threads = Annotated[
    int, typer.Option(help="CPU threads of one training client; other counts round differently.")
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        help="Run on this Ray cluster (auto = find it); its machines must share --results."
    ),
]
TensorBoard = Annotated[
    Path | None, typer.Option(help="Write TensorBoard events of every run to this folder.")
]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1, mps; default: CUDA where there is one.")
]
Select = Annotated[
    str, typer.Option(help="Which round is reported: best_val_wga, final or last10.")
]


@dataclass(frozen=True)
class TableChoice:
    """What a command's options change in the tables that it names; None: as the table says."""

    scale: str | None = None
    seeds: str | None = None
    assignments: Sequence[str] | None = None
    """Values of --set."""
    rules: Sequence[str] | None = None
    """Values of --rule."""
    data: str | None = None
    root: str | None = None
    stale: Path | None = None
    """Folder of results whose older runs are kept (--stale)."""

    def load(self, name: str) -> "Table":
        """Return a table with every option laid on it; refuse --root without --data."""
        from experiments.tables.load import load

        data: dict[str, Any] | None = None
        if self.data is not None:
            data = {"use": self.data}
            if self.root:
                data["root"] = str(Path(self.root).expanduser().resolve())
        elif self.root:
            raise FedgroupError("--root names the folder of a data set: give --data too")
        seeds = seed_list(self.seeds)
        table = load(name, self.scale, seeds, data, self.assignments or [], self.rules or [])
        if self.stale is None:
            return table
        from experiments.results.older_runs import keeping

        return keeping(table, self.stale)


def seed_list(text: str | None) -> list[int] | None:
    """Return the seeds of a comma-separated list; None where none is given."""
    if text is None:
        return None
    if not re.fullmatch(r"\s*-?[0-9]{1,18}\s*(,\s*-?[0-9]{1,18}\s*)*", text):
        raise FedgroupError(f"--seeds '{text}' is not a list of whole numbers such as 0,1,2")
    seeds = [int(part) for part in text.split(",")]
    if len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise FedgroupError(f"--seeds '{text}' must be distinct and not negative")
    return seeds
