"""The Flower ServerApp: reads the run config, then federates. The same app runs in every runtime.

Run-config keys are the dotted settings of a spec (`task.data.use`, `federation.rounds`, ...); `set`
holds any others as space-separated assignments, `spec` a whole spec as JSON, `results` the folder,
and `timeout` the seconds that a round waits for replies (no setting of the spec: the records say
who was late).
"""

import json
import math
from pathlib import Path
from typing import Any

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

from fedgroup.errors import FedgroupError
from fedgroup.settings.overrides import depth, merge, overrides
from fedgroup.spec import build
from fedgroup.task import Task, assign_clients
from fedgroup.update import ClientLanes
from strategies.federation import Federation
from strategies.server.federated_run import federate
from strategies.server.remote_sites import PartitionGrid

app = ServerApp()
TIMEOUT = 3600.0
"""Flower's hour."""


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Build task and federation from the run config and run the rounds."""
    config = dict(context.run_config)
    timeout = read_timeout(config.pop("timeout", ""))
    task, federation, results = read_config(config)
    if not isinstance(grid, ClientLanes):  # Flower's own grid: its nodes come and go
        grid = PartitionGrid(grid, len(assign_clients(task)), timeout)
    federate(grid, task, federation, results)


def read_timeout(value: Any) -> float:
    """Return the seconds that a round waits for replies; "" means an hour."""
    if value == "":
        return TIMEOUT
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise FedgroupError(f"run-config timeout={value!r} must be a positive number of seconds")
    return float(value)


def read_config(config: dict[str, Any]) -> tuple[Task, Federation, Path]:
    """Return the task, the federation and the results folder of flat run-config keys."""
    results = Path(str(config.pop("results", "") or "results")).expanduser()
    if not results.is_absolute():
        raise FedgroupError(
            f"run-config results='{results}' must be an absolute folder: the app runs in a copy "
            f"elsewhere"
        )
    values: dict[str, Any] = json.loads(str(config.pop("spec", "") or "{}"))
    extra = str(config.pop("set", "") or "").split()
    for key, value in sorted(config.items(), key=lambda item: depth(item[0])):
        if value == "":
            continue
        nested: Any = value
        for part in reversed(key.split(".")):
            nested = {part: nested}
        values = merge(values, nested)
    values = merge(values, overrides(extra))
    unknown_parts = set(values) - {"task", "federation"}
    if unknown_parts:
        raise FedgroupError(
            f"run-config: {sorted(unknown_parts)} are neither task nor federation settings"
        )
    return (
        build(Task, values.get("task", {}), "task"),
        build(Federation, values.get("federation", {}), "federation"),
        results,
    )
