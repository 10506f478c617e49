"""The `fedgroup` command. Heavy imports happen inside the commands, so that --help is instant."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fedgroup.errors import FedgroupError

app = typer.Typer(
    name="fedgroup",
    help="Who pays for a poisoning defence? Federated runs, compared by accuracy (ACC) and worst-group "
    "accuracy (WGA).\n\nStart with: fedgroup run demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(no_args_is_help=True, help="Prepare, check and look at data sets.")
app.add_typer(data_app, name="data")

TableArg = Annotated[str, typer.Argument(help="A table: a name from `fedgroup list`, or a .yaml file.")]
Scale = Annotated[str | None, typer.Option(help="Size of the table's runs, e.g. small or paper.")]
Seeds = Annotated[str | None, typer.Option(help="Seeds, e.g. 0,1,2. Default: the table's.")]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Override a setting in every row, e.g. --set federation.rounds=20. Repeatable."
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
    str | None, typer.Option(help="Data set for every row, e.g. waterbirds or my_pkg.mod:MyData.")
]
Root = Annotated[str | None, typer.Option(help="Folder of the data set's files (with --data).")]
Results = Annotated[
    Path, typer.Option(help="Where run directories and reports live.", envvar="FEDGROUP_RESULTS")
]
Select = Annotated[str, typer.Option(help="Which round is reported: best_val_wga, final or last10.")]


def _table(
    name: str,
    scale: str | None,
    seeds: str | None,
    sets: list[str] | None,
    rules: list[str] | None,
    data: str | None,
    root: str | None,
) -> Any:
    from experiments.table import load

    chosen: dict[str, Any] | None = None
    if data is not None:
        chosen = {"use": data, **({"root": str(Path(root).expanduser().resolve())} if root else {})}
    elif root:
        raise FedgroupError("--root names the folder of a data set: give --data too")
    return load(name, scale, _seeds(seeds), chosen, sets or [], rules or [])


def _seeds(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        raise FedgroupError(f"--seeds '{text}' is not a list of whole numbers such as 0,1,2") from None
    if len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise FedgroupError(f"--seeds '{text}' must be distinct and not negative")
    return seeds


@app.command("list")
def list_(
    name: Annotated[
        str | None, typer.Argument(help="A component, e.g. sparsefed, to see its settings.")
    ] = None,
) -> None:
    """List tables, data sets, partitions, models and aggregation rules; or one component's settings."""
    from experiments.catalogue import catalogue, settings

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
    from experiments.catalogue import explain

    explain(_table(table, scale, seeds, set_, rule, data, root), results)


@app.command()
def run(
    table: TableArg,
    scale: Scale = None,
    seeds: Seeds = None,
    set_: Sets = None,
    rule: Rules = None,
    data: Data = None,
    root: Root = None,
    results: Results = Path("results"),
    jobs: Annotated[
        int, typer.Option(help="Runs side by side; 0 = as many as cores and --workers allow.")
    ] = 0,
    workers: Annotated[
        int, typer.Option(help="Clients of a run that train side by side, on Ray; 1 = no Ray.")
    ] = 1,
    gpus_per_client: Annotated[
        float | None, typer.Option(help="Share of a GPU per worker; default: all GPUs, shared evenly.")
    ] = None,
    threads: Annotated[
        int, typer.Option(help="CPU threads of one training client; other counts round differently.")
    ] = 1,
    ray_address: Annotated[
        str | None,
        typer.Option(help="Run on this Ray cluster (auto = find it); its machines must share --results."),
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Write TensorBoard events of every run to this folder.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, cuda:1, mps; default: CUDA where there is one.")
    ] = None,
    select: Select = "best_val_wga",
) -> None:
    """Run what is missing of a table, with live progress, then report it.

    Interrupt it at any time: the same command goes on where it stopped.
    """
    from clients.resources import Resources
    from experiments.show import run_table
    from fedgroup.device import cores

    if jobs < 0:
        raise FedgroupError(f"--jobs must be at least 0, got {jobs}")
    if device is not None:
        os.environ["FEDGROUP_DEVICE"] = device
    resources = Resources(workers, gpus_per_client, threads, ray_address)
    side = jobs or max(1, cores() // (workers * threads))
    chosen = _table(table, scale, seeds, set_, rule, data, root)
    try:
        code = run_table(chosen, results, side, select, resources, tensorboard)
    except KeyboardInterrupt:
        sys.stderr.write("\nfedgroup: interrupted; the same command goes on where it stopped\n")
        raise typer.Exit(130) from None
    raise typer.Exit(code)


@app.command(
    "flwr",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": ["-h"]},
)
def flwr_(context: typer.Context) -> None:
    """Run `flwr run . ARGS --stream` in this folder; exits with 1 where the app failed (flwr exits with 0).

    For example: fedgroup flwr local --run-config 'results="/tmp/out" federation.rounds=3'
    """
    from experiments.flower import flower_run

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
    from experiments.show import print_status

    print_status(_table(table, scale, seeds, set_, rule, data, root), results)


@app.command()
def report(
    table: TableArg,
    scale: Scale = None,
    seeds: Seeds = None,
    set_: Sets = None,
    rule: Rules = None,
    data: Data = None,
    root: Root = None,
    results: Results = Path("results"),
    select: Select = "best_val_wga",
) -> None:
    """Print a table from the finished runs and write Markdown, CSV and figures."""
    from experiments.show import print_report

    print_report(_table(table, scale, seeds, set_, rule, data, root), results, select)


@app.command()
def check(
    rule: Annotated[str, typer.Argument(help="An aggregation rule: my_pkg.mod:MyRule, or a short name.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the rule, e.g. --set f=3. Repeatable.")
    ] = None,
) -> None:
    """Check a rule against the public contract: order, shapes, inputs, state, cohort size, influence."""
    from experiments.catalogue import check_rule

    raise typer.Exit(check_rule(rule, set_ or []))


@data_app.command("prepare")
def data_prepare(
    name: Annotated[str, typer.Argument(help="fashion, waterbirds or celeba.")],
    root: Annotated[Path | None, typer.Option(help="Where to put (or find) the files.")] = None,
) -> None:
    """Download a data set where a source works, and decode it once into a memory-mapped bank."""
    from experiments.catalogue import prepare_data

    prepare_data(name, root)


@data_app.command("check")
def data_check(
    name: Annotated[str, typer.Argument(help="A data set, e.g. waterbirds.")],
    root: Annotated[Path | None, typer.Option(help="Folder of its files.")] = None,
) -> None:
    """Check a data set's files: layout, group counts, missing images. Decodes nothing."""
    from experiments.catalogue import check_data

    check_data(name, root)


@data_app.command("show")
def data_show(
    name: Annotated[str, typer.Argument(help="A data set, e.g. synthbirds.")],
    root: Annotated[Path | None, typer.Option(help="Folder of its files.")] = None,
    out: Annotated[Path, typer.Option(help="PNG file to write.")] = Path("samples.png"),
    columns: Annotated[int, typer.Option(min=1, max=40, help="Samples per group.")] = 12,
    attack: Annotated[
        str | None, typer.Option(help="Show an attack's poisons beside their bases: dlbd, sa, gm, ...")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the attack, e.g. --set fraction=0.02.")
    ] = None,
) -> None:
    """Write a picture with samples of every group (and of an attack), and print the group counts."""
    from experiments.catalogue import show_data

    if set_ and attack is None:
        raise FedgroupError("--set changes an attack's settings: give --attack too")
    show_data(name, root, out, columns, attack, set_ or [])


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; every expected error is one line on stderr and exit code 2."""
    if "" not in sys.path:
        sys.path.insert(0, "")  # my_rules.py in the current folder is importable, as with `python -m`
    signal.signal(signal.SIGTERM, _interrupt)  # a cluster's stop ends the workers too
    try:
        app()
    except FedgroupError as error:
        sys.stderr.write(f"fedgroup: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
