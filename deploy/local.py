"""Three rounds over a SuperLink and SuperNodes as processes on this machine, then stop them all.

python -m deploy.local [--table TABLE] [--nodes 3] [--results FOLDER] [--secure]
                       [--set KEY=VALUE ...] [--timeout SECONDS]
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from deploy.compare import main as compare
from deploy.keys import make
from deploy.processes import Topology
from fedgroup.errors import FedgroupError

TABLE = Path(__file__).with_name("comparison.yaml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Start the topology, submit every run of the table, stop everything, also after a failure."""
    chosen = _parse(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopping us stops the topology
    try:
        with tempfile.TemporaryDirectory(prefix="fedgroup-deploy-") as folder:
            return _run(chosen, Path(folder))
    except FedgroupError as error:
        sys.stderr.write(f"fedgroup: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nfedgroup: interrupted; the same command goes on where it stopped\n")
        return 130


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--table", default=str(TABLE), help="a table's name or a .yaml file")
    parser.add_argument(
        "--nodes", type=int, default=3, help="SuperNodes; equal to task.partition.clients"
    )
    parser.add_argument(
        "--results", type=Path, default=Path("results"), help="where run directories go"
    )
    parser.add_argument(
        "--secure", action="store_true", help="with TLS and SuperNode authentication"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting"
    )
    parser.add_argument(
        "--timeout", type=float, default=600.0, help="seconds a round waits for replies"
    )
    return parser.parse_args(arguments)


def _run(chosen: argparse.Namespace, folder: Path) -> int:
    """Run the table over a topology whose files lie in `folder`; return the exit code."""
    keys = make(folder / "keys", chosen.nodes) if chosen.secure else None
    with Topology(folder, chosen.nodes, keys) as topology:
        print(f"SuperLink and {chosen.nodes} SuperNodes are healthy", flush=True)
        os.environ.update(topology.submit_environment())
        words = [
            chosen.table,
            "deploy",
            f"--results={chosen.results}",
            f"--timeout={chosen.timeout}",
        ]
        return compare([*words, *(word for value in chosen.set for word in ("--set", value))])


if __name__ == "__main__":
    sys.exit(main())
