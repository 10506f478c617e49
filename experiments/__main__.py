"""The `fedgroup` command. Heavy imports happen inside the commands, so that --help is instant."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.cli.data import data_app
from experiments.cli.options import (
    Data,
    Device,
    Jobs,
    Results,
    Root,
    Rules,
    Scale,
    Seeds,
    Select,
    Sets,
    TableArg,
    chosen_table,
    seed_list,
)
from fedgroup.errors import FedgroupError

app = typer.Typer(
    name="fedgroup",
    help="Who pays for a poisoning defence? Federated runs, compared by accuracy (ACC) and worst-group "
    "accuracy (WGA).\n\nStart with: fedgroup run demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data_app, name="data")


@app.command("list")
def list_(
    name: Annotated[
        str | None, typer.Argument(help="A component, e.g. sparsefed, to see its settings.")
    ] = None,
) -> None:
    """List tables, data sets, partitions, models and aggregation rules; or one component's settings."""
    from experiments.components.catalogue import catalogue, settings

    if name is not None:
        settings(name)
    else:
        catalogue()


@app.command()
def show(
    table: TableArg,
    scale: Scale = None,
    seeds: Seeds = None,
    set_: Sets = None,
    rule: Rules = None,
    data: Data = None,
    root: Root = None,
    results: Results = Path("results"),
) -> None:
    """Show every setting of a table's runs, where it came from, and each run's directory. Runs nothing."""
    from experiments.components.catalogue import explain

    explain(chosen_table(table, scale, seeds, set_, rule, data, root), results)


@app.command()
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
    workers: Annotated[
        int, typer.Option(help="Clients of a run that train side by side, on Ray; 1 = no Ray.")
    ] = 1,
    gpus_per_client: Annotated[
        float | None,
        typer.Option(help="Share of a GPU per worker; default: all GPUs, shared evenly."),
    ] = None,
    threads: Annotated[
        int,
        typer.Option(help="CPU threads of one training client; other counts round differently."),
    ] = 1,
    ray_address: Annotated[
        str | None,
        typer.Option(
            help="Run on this Ray cluster (auto = find it); its machines must share --results."
        ),
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Write TensorBoard events of every run to this folder.")
    ] = None,
    device: Device = None,
    select: Select = "best_val_wga",
) -> None:
    """Run what is missing of tables, with live progress, then report them. What they share runs once.

    Interrupt it at any time: the same command goes on where it stopped.
    """
    from clients.resources import Resources
    from experiments.tables.table import of_the_paper

    resources = Resources(workers, gpus_per_client, threads, ray_address)
    names = of_the_paper() if tables == ["all"] else tables
    chosen = [chosen_table(name, scale, seeds, set_, rule, data, root) for name in names]
    together = "all" if tables == ["all"] else "-".join(names)
    _run(chosen, results, jobs, select, device, resources, tensorboard, together)


def _run(
    tables: list[Any],
    results: Path,
    jobs: int,
    select: str,
    device: str | None,
    resources: Any,
    tensorboard: Path | None = None,
    together: str = "",
) -> None:
    from experiments.launch.progress import run_tables
    from fedgroup.device import cores

    if jobs < 0:
        raise FedgroupError(f"--jobs must be at least 0, got {jobs}")
    if device is not None:
        os.environ["FEDGROUP_DEVICE"] = device
    side = jobs or max(1, cores() // (resources.workers * resources.threads))
    try:
        code = run_tables(tables, results, side, select, resources, tensorboard, together)
    except KeyboardInterrupt:
        sys.stderr.write("\nfedgroup: interrupted; the same command goes on where it stopped\n")
        raise typer.Exit(130) from None
    raise typer.Exit(code)


@app.command(
    "flwr",
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": ["-h"],
    },
)
def flwr_(context: typer.Context) -> None:
    """Run `flwr run . ARGS --stream` in this folder; exits with 1 where the app failed (flwr exits with 0).

    For example: fedgroup flwr local --run-config 'results="/tmp/out" federation.rounds=3'
    """
    from experiments.launch.flower_run import flower_run

    raise typer.Exit(flower_run(context.args))


@app.command()
def status(
    table: TableArg,
    scale: Scale = None,
    seeds: Seeds = None,
    set_: Sets = None,
    rule: Rules = None,
    data: Data = None,
    root: Root = None,
    results: Results = Path("results"),
) -> None:
    """Say which runs of a table are done, running, interrupted or missing."""
    from experiments.launch.progress import print_status

    print_status(chosen_table(table, scale, seeds, set_, rule, data, root), results)


@app.command()
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
) -> None:
    """Print tables from the finished runs and write a page, Markdown, CSV, LaTeX and figures.

    Everything goes to RESULTS/reports/TABLE; several tables also make one page of all in RESULTS/reports.
    """
    from experiments.launch.progress import make_console
    from experiments.report.terminal import print_reports, reportable

    options = (scale, seeds, set_, rule, data, root)
    chosen = reportable(tables, lambda name: chosen_table(name, *options), results)
    name = "all" if tables == ["all"] else "-".join(table.name for table in chosen)
    print_reports(chosen, results, select, make_console(), name)


@app.command()
def check(
    name: Annotated[
        str,
        typer.Argument(
            help="A rule, attack, method, data set or partition: my_pkg.mod:Mine, or its name."
        ),
    ],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of it, e.g. --set f=3. Repeatable.")
    ] = None,
) -> None:
    """Check a component against the public contract of its family, which is told by its methods."""
    from experiments.components.check import check_named

    raise typer.Exit(check_named(name, set_ or []))


@app.command()
def audit(
    name: Annotated[
        str | None, typer.Argument(help="A rule or a Flower strategy, e.g. my_pkg.mod:MyStrategy.")
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="A centralized method in place of a rule.")
    ] = None,
    attack: Annotated[str | None, typer.Option(help="An attack on samples or on updates.")] = None,
    dataset: Annotated[str | None, typer.Option(help="A data set.")] = None,
    root: Annotated[str | None, typer.Option(help="Folder of the data set's files.")] = None,
    scale: Scale = None,
    seeds: Seeds = None,
    set_: Sets = None,
    results: Results = Path("results"),
    jobs: Jobs = 0,
    device: Device = None,
    select: Select = "best_val_wga",
) -> None:
    """Check your own against its contract, run it beside the built-in ones, and write a verdict on it.

    A rule meets FedAvg, median, trimmed mean and norm clipping on two partitions, clean and attacked: 20 runs
    with one seed. --seeds 0,1,2 gives intervals.
    """
    from clients.resources import Resources
    from experiments.components.audit import audit_table

    given = {"NAME": name, "--method": method, "--attack": attack, "--dataset": dataset}
    table = audit_table(given, root, scale, seed_list(seeds), set_ or [])
    _run([table], results, jobs, select, device, Resources())


@app.command("probe")
def probe_(
    name: Annotated[str, typer.Argument(help="A probe: strip, signals, or my_pkg.mod:MyProbe.")],
    run_: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a finished run.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the probe, e.g. --set overlays=20. Repeatable."),
    ] = None,
) -> None:
    """Measure the model of a finished run (its directory: see `fedgroup show`); prints the numbers.

    The whole report is kept beside the run's records, where tables find it.
    """
    from experiments.results.probe_values import print_probe

    print_probe(name, run_, set_ or [])


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; every expected error is one line on stderr and exit code 2."""
    if "" not in sys.path:
        sys.path.insert(
            0, ""
        )  # my_rules.py in the current folder is importable, as with `python -m`
    signal.signal(signal.SIGTERM, _interrupt)  # a cluster's stop ends the workers too
    try:
        app()
    except FedgroupError as error:
        sys.stderr.write(f"fedgroup: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
