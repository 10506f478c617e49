"""The command `doctor`: what a run on this machine would rest on."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import Results

doctor_app = typer.Typer()


@doctor_app.command(
    help="Say what a run here would rest on, one line per item, and whether it is fit: versions, "
    "threads, devices, disk, locks, cache, and whether tiny runs in this process, on two workers "
    "and under Flower agree bit for bit.\n\nExits with 1 where something is unfit."
)
def doctor(
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out workers and Flower: seconds, not a minute.")
    ] = False,
    results: Results = Path("results"),
) -> None:
    """Print what a run here would rest on."""
    from experiments.launch.doctor import print_findings

    raise typer.Exit(print_findings(results, quick))
