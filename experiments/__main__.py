"""The `fedgroup` command. Heavy imports happen inside the commands, so that --help is instant."""

import signal
import sys

import typer

from experiments.cli.components import components_app
from experiments.cli.data import data_app
from experiments.cli.run import run_app
from experiments.cli.show import show_app
from fedgroup.errors import FedgroupError

app = typer.Typer(
    name="fedgroup",
    help="Who pays for a poisoning defence? Federated runs, compared by accuracy (ACC) and "
    "worst-group accuracy (WGA).\n\nStart with: fedgroup run demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (show_app, run_app, components_app):
    app.registered_commands += part.registered_commands
app.add_typer(data_app, name="data")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line; every expected error is one line on stderr and exit code 2."""
    if "" not in sys.path:  # my_rules.py in the current folder is importable, as with `python -m`
        sys.path.insert(0, "")
    signal.signal(signal.SIGTERM, _interrupt)  # a cluster's stop ends the workers too
    try:
        app()
    except FedgroupError as error:
        sys.stderr.write(f"fedgroup: {error}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
