"""`flwr run` with an honest exit code: Flower's own command ends with 0 also where the app failed."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from fedgroup.errors import FedgroupError

COMPLETED = "finished:completed"


def flower_run(arguments: Sequence[str]) -> int:
    """Run `flwr run . ARGUMENTS --stream`, then ask Flower how it ended; returns 0 only for completed."""
    flwr = str(Path(sys.executable).with_name("flwr"))
    command = [flwr, "run", ".", *arguments, "--stream"]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except OSError as error:
        raise FedgroupError(f"Flower's command is not there ({error}): pip install flwr") from error
    run, reason = None, ""
    assert process.stdout is not None
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        if found := re.search(r"Successfully started run (\d+)", line):
            run = found.group(1)
        if "FedgroupError: " in line:
            reason = line.split("FedgroupError: ", 1)[1].strip()
    if process.wait() or run is None:
        return process.returncode or 1
    state = _state(flwr, run, arguments)
    if state != COMPLETED:
        sys.stderr.write(
            f"fedgroup: run {run} is {state}{f': {reason}' if reason else ', see its log above'}\n"
        )
        return 1
    return 0


def _state(flwr: str, run: str, arguments: Sequence[str]) -> str:
    """Status that Flower gives a run, e.g. finished:failed."""
    connection = [argument for argument in arguments[:1] if not argument.startswith("-")]
    command = [flwr, "list", *connection, "--run-id", run, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        (entry,) = json.loads(done.stdout)["runs"]
        return str(entry["status"])
    except (ValueError, KeyError, TypeError):
        return f"of unknown state ({(done.stderr or done.stdout).strip()[:200]})"
