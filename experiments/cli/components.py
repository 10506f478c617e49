"""The commands for a user's own components and finished runs: `check`, `audit`, `probe`."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import Device, Jobs, Results, Scale, Seeds, Select, Sets, seed_list
from experiments.cli.run import RunChoice, run_chosen

components_app = typer.Typer()


@components_app.command()
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


@components_app.command(
    help="Check your own against its contract, run it beside the built-in ones, and write a "
    "verdict on it.\n\nA rule meets FedAvg, median, trimmed mean and norm clipping on two "
    "partitions, clean and attacked: 20 runs with one seed. --seeds 0,1,2 gives intervals."
)
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
    """Run a shipped table with a user's own component in it."""
    from experiments.components.audit import audit_table

    asked = {"NAME": name, "--method": method, "--attack": attack, "--dataset": dataset}
    table = audit_table(asked, root, scale, seed_list(seeds), set_ or [])
    run_chosen([table], RunChoice(results, jobs, select, device))


@components_app.command("probe")
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
