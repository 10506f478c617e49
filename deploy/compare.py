"""Run a table over a SuperLink that is up, one run after the other, and report it.

python -m deploy.compare TABLE CONNECTION [--results FOLDER] [--timeout SECONDS]
                         [--set KEY=VALUE ...]
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.launch.flower_run import flower_table
from experiments.tables.load import load
from fedgroup.errors import FedgroupError

ROOT = Path(__file__).parent.parent


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, run, report; every expected error is one line."""
    results = Path(os.environ.get("FEDGROUP_RESULTS", "results"))
    parser = argparse.ArgumentParser(
        prog="python -m deploy.compare", description=__doc__.splitlines()[0]
    )
    parser.add_argument("table", help="a name from `fedgroup list`, or a .yaml file")
    parser.add_argument("connection", help="the SuperLink's name in Flower's config.toml")
    parser.add_argument(
        "--results", type=Path, default=results, help="folder that the SuperLink writes to"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting"
    )
    parser.add_argument(
        "--timeout", type=float, default=600.0, help="seconds a round waits for replies"
    )
    chosen = parser.parse_args(arguments)
    try:
        table = load(chosen.table, assignments=chosen.set)
        return flower_table(table, chosen.connection, chosen.results, chosen.timeout, ROOT)
    except FedgroupError as error:
        sys.stderr.write(f"fedgroup: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
