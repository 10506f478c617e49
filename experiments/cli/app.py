"""All commands of `fedgroup`. Heavy imports happen inside them, so that --help is instant."""

import typer

from experiments.cli.commands import Commands
from experiments.cli.components import components_app
from experiments.cli.data import data_app
from experiments.cli.doctor import doctor_app
from experiments.cli.run import run_app
from experiments.cli.show import show_app

app = typer.Typer(
    name="fedgroup",
    cls=Commands,
    help="Who pays for a poisoning defence? Federated runs, compared by accuracy (ACC) and "
    "worst-group accuracy (WGA).\n\nStart with: fedgroup run demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (show_app, run_app, components_app, doctor_app):
    app.registered_commands += part.registered_commands
app.add_typer(data_app, name="data")
