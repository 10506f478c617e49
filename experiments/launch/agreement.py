"""Whether tiny runs in this process, on two workers and under Flower agree bit for bit."""

import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import torch

from clients.resources import Resources
from experiments.experiment import Experiment
from experiments.launch.local_superlink import PORT, free_ports
from experiments.run import run
from fedgroup.errors import FedgroupError

CLIENTS = 4
SPEC = {
    "task": {
        "data": {"use": "fedgroup.checks.toy_data:ContractData", "small": True},
        "model": "fedgroup.checks.toy_data:TinyModel",
        "partition": {"use": "iid", "clients": CLIENTS},
        "train": {"epochs": 1, "batch_size": 8},
    },
    "federation": {"rounds": 2, "fraction": 0.5},
}
RECORDS = ("rounds.jsonl", "clients.jsonl", "partition.csv", "best.npz")
APP = """
[project]
name = "fedgroup-doctor"
version = "1.0.0"
license = "Apache-2.0"

[tool.flwr.app]
publisher = "fedgroup"

[tool.flwr.app.components]
serverapp = "strategies.server_app:app"
clientapp = "clients.client_app:app"

[tool.flwr.app.config]
spec = ""
results = ""
timeout = ""
"""
CONNECTION = """
[superlink]
default = "doctor"

[superlink.doctor]
address = ":local:"
"""
QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}


def agreement(quick: bool) -> str:
    """Run a tiny experiment in every runtime and compare the records.

    Args:
        quick: Twice in this process alone.

    Returns:
        What agreed.

    Raises:
        FedgroupError: A runtime does not work, or gives other bytes.
    """
    experiment = Experiment.of(SPEC)
    torch.set_num_threads(1)  # as a client of a run; other counts round differently
    with tempfile.TemporaryDirectory(prefix="fedgroup-doctor-") as name:
        folder = Path(name).resolve()
        first = records(run(experiment, folder / "one"))
        others = {"again in this process": folder / "two"}
        run(experiment, folder / "two")
        if not quick:
            others["on two workers"] = folder / "workers"
            run(experiment, folder / "workers", Resources(workers=2))
            others["under Flower"] = folder / "flower"
            under_flower(experiment, folder)
        for where, results in others.items():
            differ = [n for n, b in records(results / experiment.id).items() if b != first[n]]
            if differ:
                raise FedgroupError(
                    f"a run {where} differs from the first one in {', '.join(differ)}: numbers "
                    f"from here cannot be compared"
                )
    return f"tiny runs in this process and {', '.join(others)} agree bit for bit"


def records(run_directory: Path) -> Mapping[str, bytes]:
    """Return what must not depend on where a run ran."""
    return {name: (run_directory / name).read_bytes() for name in RECORDS}


def under_flower(experiment: Experiment, folder: Path) -> None:
    """Run an experiment through `flwr run`, with a SuperLink, a home and a port of its own."""
    from experiments.launch.flower_run import flower_run, run_config

    app, home = folder / "app", folder / "home"
    for place, name, text in ((app, "pyproject.toml", APP), (home, "config.toml", CONNECTION)):
        place.mkdir()
        (place / name).write_text(text, encoding="utf-8")
    config = run_config(experiment, folder / "flower", 300.0, app, folder)
    port = str(free_ports(1)[0])
    said = io.StringIO()
    supernodes = f"num-supernodes={CLIENTS}"
    words = ["doctor", "--federation-config", supernodes, "--run-config", str(config)]
    variables = QUIET | {"FLWR_HOME": str(home), PORT: port}
    with _variables(variables), redirect_stdout(said), redirect_stderr(said):
        code = flower_run(words, app)
    if code:
        last = [line.strip() for line in said.getvalue().splitlines() if line.strip()][-1:]
        raise FedgroupError(f"a run under Flower fails: {' '.join(last)[:300]}")


@contextmanager
def _variables(changes: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
