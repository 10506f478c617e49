"""The commands under `fedgroup data`."""

from pathlib import Path
from typing import Annotated

import typer

from fedgroup.errors import FedgroupError

data_app = typer.Typer(no_args_is_help=True, help="Prepare, check and look at data sets.")


@data_app.command("prepare")
def data_prepare(
    name: Annotated[str, typer.Argument(help="fashion, waterbirds or celeba.")],
    root: Annotated[Path | None, typer.Option(help="Where to put (or find) the files.")] = None,
) -> None:
    """Download a data set where a source works, and decode it once into a memory-mapped bank."""
    from experiments.cli.data_view import prepare_data

    prepare_data(name, root)


@data_app.command("check")
def data_check(
    name: Annotated[str, typer.Argument(help="A data set, e.g. waterbirds.")],
    root: Annotated[Path | None, typer.Option(help="Folder of its files.")] = None,
) -> None:
    """Check a data set's files: layout, group counts, missing images; read them all anew."""
    from experiments.cli.data_view import check_data

    check_data(name, root)


@data_app.command(
    "show",
    help="Write a picture with samples of every group (and of an attack), and print the group "
    "counts.",
)
def data_show(
    name: Annotated[str, typer.Argument(help="A data set, e.g. synthbirds.")],
    root: Annotated[Path | None, typer.Option(help="Folder of its files.")] = None,
    out: Annotated[Path, typer.Option(help="PNG file to write.")] = Path("samples.png"),
    columns: Annotated[int, typer.Option(min=1, max=40, help="Samples per group.")] = 12,
    attack: Annotated[
        str | None,
        typer.Option(help="Show an attack's poisons beside their bases: dlbd, sa, gm, ..."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the attack, e.g. --set fraction=0.02."),
    ] = None,
) -> None:
    """Draw a data set."""
    from experiments.cli.data_view import show_data

    if set_ and attack is None:
        raise FedgroupError("--set changes an attack's settings: give --attack too")
    show_data(name, root, out, columns, attack, set_ or [])
