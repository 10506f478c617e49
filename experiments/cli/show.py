"""The commands that show what there is and run nothing: `list`, `show`."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import (
    Data,
    Results,
    Root,
    Rules,
    Scale,
    Seeds,
    Sets,
    TableArg,
    TableChoice,
)

show_app = typer.Typer()


@show_app.command(
    "list",
    help="List tables, data sets, partitions, models and aggregation rules; or one component's "
    "settings.",
)
def list_(
    name: Annotated[
        str | None, typer.Argument(help="A component, e.g. sparsefed, to see its settings.")
    ] = None,
) -> None:
    """Print what there is to choose from."""
    from experiments.components.catalogue import print_catalogue, print_settings

    if name is not None:
        print_settings(name)
    else:
        print_catalogue()


@show_app.command(
    help="Show every setting of a table's runs, where it came from, and each run's directory. Runs "
    "nothing."
)
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
    """Print what a table's runs are made of."""
    from experiments.cli.table_view import print_spec

    print_spec(TableChoice(scale, seeds, set_, rule, data, root).load(table), results)
