"""The commands that run tables and report them: `run`, `flwr`, `status`, `report`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clients.resources import Resources
from experiments.cli.options import (
    Data,
    Device,
    GpusPerClient,
    Jobs,
    RayAddress,
    Results,
    Root,
    Rules,
    Scale,
    Seeds,
    Select,
    Sets,
    Stale,
    TableArg,
    TableChoice,
    TensorBoard,
    Threads,
    Workers,
)
from fedgroup.errors import FedgroupError

if TYPE_CHECKING:
    from experiments.tables.table import Table

run_app = typer.Typer()


@dataclass(frozen=True)
class RunChoice:
    """How a command runs tables: where, on what, and how the result is reported."""

    results: Path
    jobs: int
    """Runs side by side; 0: as many as cores and workers allow."""
    select: str
    """Which round is reported."""
    device: str | None = None
    resources: Resources = field(default_factory=Resources)
    tensorboard: Path | None = None
    """Folder for TensorBoard events; None for none."""


def run_chosen(tables: "Sequence[Table]", choice: RunChoice, page: str = "") -> None:
    """Run what is missing of tables, then leave the program with the exit code.

    Args:
        tables: Tables with every option laid on them.
        choice: How to run them.
        page: Name of the page of all, where there are several.

    Raises:
        FedgroupError: --jobs is negative, or the tables cannot be run.
    """
    from experiments.launch.run_tables import run_tables
    from experiments.launch.scheduler import default_jobs

    if choice.jobs < 0:
        raise FedgroupError(f"--jobs must be at least 0, got {choice.jobs}")
    if choice.device is not None:
        os.environ["FEDGROUP_DEVICE"] = choice.device
    resources = choice.resources
    jobs = choice.jobs or default_jobs(resources)
    raise typer.Exit(
        run_tables(tables, choice.results, jobs, choice.select, resources, choice.tensorboard, page)
    )


@run_app.command(
    help="Run what is missing of tables, with live progress, then report them. What they share "
    "runs once.\n\nInterrupt it at any time: the same command goes on where it stopped."
)
def run(
    tables: Annotated[
        list[str], typer.Argument(help="Tables, or `all` for every table and figure of the paper.")
    ],
    scale: Scale = None,
    seeds: Seeds = None,
    set_: Sets = None,
    rule: Rules = None,
    data: Data = None,
    root: Root = None,
    results: Results = Path("results"),
    jobs: Jobs = 0,
    workers: Workers = 1,
    gpus_per_client: GpusPerClient = None,
    threads: Threads = 1,
    ray_address: RayAddress = None,
    tensorboard: TensorBoard = None,
    device: Device = None,
    select: Select = "best_val_wga",
    stale: Stale = False,
) -> None:
    """Run what is missing of tables, then report them."""
    from experiments.tables.shipped import paper_tables

    resources = Resources(workers, gpus_per_client, threads, ray_address)
    options = TableChoice(scale, seeds, set_, rule, data, root, results if stale else None)
    every = tables == ["all"]
    names = paper_tables() if every else tables
    chosen = [options.load(name) for name in names]
    choice = RunChoice(results, jobs, select, device, resources, tensorboard)
    run_chosen(chosen, choice, "all" if every else "-".join(names))


@run_app.command(
    "flwr",
    help="Run `flwr run . ARGS --stream` in this folder; exits with 1 where the app failed (flwr "
    'exits with 0).\n\nFor example: fedgroup flwr local --run-config \'results="/tmp/out" '
    "federation.rounds=3'",
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": ["-h"],
    },
)
def flwr_(context: typer.Context) -> None:
    """Run a Flower app with an honest exit code."""
    from experiments.launch.flower_run import flower_run

    raise typer.Exit(flower_run(context.args))


@run_app.command()
def status(
    table: TableArg,
    scale: Scale = None,
    seeds: Seeds = None,
    set_: Sets = None,
    rule: Rules = None,
    data: Data = None,
    root: Root = None,
    results: Results = Path("results"),
    stale: Stale = False,
) -> None:
    """Say which runs of a table are done, running, interrupted, failed, damaged or missing."""
    from experiments.cli.table_view import print_status

    choice = TableChoice(scale, seeds, set_, rule, data, root, results if stale else None)
    print_status(choice.load(table), results)


@run_app.command(
    help="Print tables from the finished runs and write a page, Markdown, CSV, LaTeX and figures."
    "\n\nEverything goes to RESULTS/reports/TABLE; several tables also make one page of all in "
    "RESULTS/reports."
)
def report(
    tables: Annotated[
        list[str], typer.Argument(help="Tables, or `all` for every table with a finished run.")
    ],
    scale: Scale = None,
    seeds: Seeds = None,
    set_: Sets = None,
    rule: Rules = None,
    data: Data = None,
    root: Root = None,
    results: Results = Path("results"),
    select: Select = "best_val_wga",
    stale: Stale = False,
) -> None:
    """Report the finished runs of tables."""
    from experiments.console import make_console
    from experiments.report.terminal import print_reports, reportable

    options = TableChoice(scale, seeds, set_, rule, data, root, results if stale else None)
    chosen = reportable(tables, options.load, results)
    name = "all" if tables == ["all"] else "-".join(table.name for table in chosen)
    if print_reports(chosen, results, select, make_console(), name):
        raise typer.Exit(1)
