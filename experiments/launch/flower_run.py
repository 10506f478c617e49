"""`flwr run` with an honest exit code, and whole tables over a SuperLink.

Flower's own command ends with 0 also where the app failed.
"""

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.console import make_console
from experiments.experiment import Experiment
from experiments.launch.local_superlink import local_superlink
from experiments.report.terminal import print_reports
from experiments.tables.labels import labelled
from experiments.tables.table import Table
from fedgroup.errors import FedgroupError
from fedgroup.runs.run_directory import status

COMPLETED = "finished:completed"


def flower_table(table: Table, connection: str, results: Path, timeout: float, app: Path) -> int:
    """Run what is missing of a table over a SuperLink, one run after the other, then report it.

    The same call goes on with what is missing, from the last checkpoints.

    Args:
        table: The table; it holds no centralized method.
        connection: The SuperLink's name in Flower's config.toml.
        results: Folder of run directories, which the ServerApp must see under the same path.
        timeout: Seconds a round waits for replies.
        app: Folder of the Flower app, with its pyproject.toml.

    Returns:
        The exit code: 1 where a run failed, else 0.

    Raises:
        FedgroupError: A row is a centralized method, or `app` holds no Flower app.
    """
    failed = []
    for experiment, label in labelled(table):
        if experiment.method is not None:
            raise FedgroupError(
                f"{label} is a centralized method: `fedgroup run` trains it without Flower"
            )
        if status(results / experiment.id) == "done":
            continue
        print(f"{label} ({experiment.id})", flush=True)
        if submit(experiment, connection, results, timeout, app):
            failed.append(label)
    damaged = 0
    if any(status(results / experiment.id) == "done" for experiment in table.experiments()):
        damaged = print_reports([table], results, "best_val_wga", make_console())
    if failed:
        sys.stderr.write(f"fedgroup: {len(failed)} runs failed: {'; '.join(failed)}\n")
    return 1 if failed or damaged else 0


def submit(
    experiment: Experiment, connection: str, results: Path, timeout: float, app: Path
) -> int:
    """Submit one experiment as a whole spec; the app's own settings are blanked.

    Args:
        experiment: What to run.
        connection: The SuperLink's name in Flower's config.toml.
        results: Folder that the ServerApp writes to.
        timeout: Seconds a round waits for replies.
        app: Folder of the Flower app, with its pyproject.toml.

    Returns:
        The exit code: 0 where Flower says that the run completed.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = run_config(experiment, results, timeout, app, Path(folder))
        return flower_run([connection, "--run-config", str(config)], app)


def run_config(
    experiment: Experiment, results: Path, timeout: float, app: Path, folder: Path
) -> Path:
    """Write the run config of an experiment to a file in `folder`, and return it.

    Args:
        experiment: What to run.
        results: Folder that the ServerApp writes to.
        timeout: Seconds a round waits for replies.
        app: Folder of the Flower app, with its pyproject.toml.
        folder: Where the file goes.

    Returns:
        The file.
    """
    values: dict[str, str | float] = dict.fromkeys(_run_config_keys(app), "")
    values |= {"spec": experiment.to_json(), "results": str(results.resolve()), "timeout": timeout}
    path = folder / "run.toml"
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
    path.write_text(text, encoding="utf-8")
    return path


def _run_config_keys(app: Path) -> list[str]:
    """Return the dotted keys of the app's run config; Flower takes no others."""
    try:
        project = tomllib.loads((app / "pyproject.toml").read_text(encoding="utf-8"))
        config = project["tool"]["flwr"]["app"]["config"]
    except (OSError, ValueError, KeyError) as error:
        raise FedgroupError(
            f"{app} holds no Flower app ({error}): run this in fedgroup's folder, where "
            f"pyproject.toml lies"
        ) from error
    return _dotted(config)


def _dotted(values: Mapping[str, Any], where: str = "") -> list[str]:
    keys = []
    for key, value in values.items():
        keys += _dotted(value, f"{where}{key}.") if isinstance(value, dict) else [where + key]
    return keys


def flower_run(arguments: Sequence[str], app: Path = Path()) -> int:
    """Run `flwr run APP ARGUMENTS --stream`; return 0 where Flower says that the run completed.

    A SuperLink that this needs on this machine is started, and stopped afterwards; one that is
    there already is left running.
    """
    named = [argument for argument in arguments[:1] if not argument.startswith("-")]
    with local_superlink(named[0] if named else None) as environment:
        return _follow(named, arguments, app, environment)


def _follow(
    named: list[str], arguments: Sequence[str], app: Path, environment: Mapping[str, str]
) -> int:
    """Submit the run, print what Flower says, and return the exit code that its end deserves."""
    flwr = str(Path(sys.executable).with_name("flwr"))
    command = [flwr, "run", str(app), *arguments, "--stream"]
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise FedgroupError(f"Flower's command is not there ({error}): pip install flwr") from error
    run, reason = None, ""
    assert process.stdout is not None
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        if started := re.search(r"Successfully started run (\d+)", line):
            run = started.group(1)
        if "FedgroupError: " in line:
            reason = line.split("FedgroupError: ", 1)[1].strip()
    if process.wait() or run is None:
        return process.returncode or 1
    state = _state([flwr, "list", *named, "--run-id", run, "--format", "json"], environment)
    if state != COMPLETED:
        sys.stderr.write(
            f"fedgroup: run {run} is {state}{f': {reason}' if reason else ', see its log above'}\n"
        )
        return 1
    return 0


def _state(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the status that Flower gives a run, e.g. finished:failed."""
    done = subprocess.run(
        command, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    try:
        (entry,) = json.loads(done.stdout)["runs"]
        return str(entry["status"])
    except (ValueError, KeyError, TypeError):
        return f"of unknown state ({(done.stderr or done.stdout).strip()[:200]})"
