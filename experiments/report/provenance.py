"""Where a table's numbers come from: every finished run, its settings, versions, machine, time."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.experiment import Experiment
from experiments.results.finished_runs import UNKNOWN, environment, result, seconds
from experiments.tables.labels import labelled
from experiments.tables.table import Table

PLAIN = re.compile("[A-Za-z][A-Za-z0-9_]*")
RESERVED = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
"""Words that YAML does not read as text."""


@dataclass(frozen=True)
class Provenance:
    """One finished run."""

    run: str
    label: str
    seed: int
    spec: str
    """All settings, as YAML that `fedgroup` can read."""
    versions: str
    commit: str
    device: str
    machine: str
    threads: str
    started: str
    seconds: float


def provenance(table: Table, results: Path) -> list[Provenance]:
    """Return the finished runs of a table, of its baselines and of its clean references."""
    return [
        _of_run(run, label, results)
        for run, label in labelled(table)
        if result(run, results) is not None
    ]


def _of_run(experiment: Experiment, label: str, results: Path) -> Provenance:
    """Return the provenance of a finished run.

    Args:
        experiment: The run.
        label: What the table calls it.
        results: Folder of the runs.
    """
    env = environment(experiment, results)
    packages = ", ".join(f"{name} {version}" for name, version in env["packages"].items())
    return Provenance(
        run=experiment.id,
        label=label,
        seed=experiment.task.seed,
        spec=as_yaml(experiment.to_dict()),
        versions=f"{packages}, Python {env['python']}",
        commit=str(env["commit"]),
        device=str(env["device"]),
        machine=f"{env['platform']}, {env['processor']}, {env['cores']} cores",
        threads=str(env["threads"]),
        started=str(env["started"]),
        seconds=seconds(experiment, results),
    )


def as_yaml(settings: Mapping[str, Any], depth: int = 0) -> str:
    """Return nested settings as YAML in block style; every value reads back as it was."""
    text = ""
    for key, value in settings.items():
        start = "  " * depth + _scalar(str(key))
        if isinstance(value, Mapping) and value:
            text += f"{start}:\n{as_yaml(value, depth + 1)}"
        else:
            text += f"{start}: {_scalar(value)}\n"
    return text


def _scalar(value: Any) -> str:
    """Return a value in flow style.

    JSON, with plain words unquoted and exponents that YAML 1.1 reads as numbers.
    """
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in RESERVED:
        return value
    if isinstance(value, float) and "e" in repr(value) and "." not in repr(value):
        return repr(value).replace("e", ".0e")
    return json.dumps(value, ensure_ascii=False)


def versions_note(runs: Sequence[Experiment], results: Path) -> str:
    """Name versions and hardware; what differs between runs is listed."""
    stored = [environment(experiment, results) for experiment in runs]
    envs = [env for last in stored for env in (*last.get("before", ()), last)]

    def all_of(values: Sequence[Any]) -> str:
        return ", ".join(dict.fromkeys(str(value) for value in values))

    minutes = sum(seconds(experiment, results) for experiment in runs) / 60
    packages = {
        name: all_of([env["packages"].get(name, UNKNOWN) for env in envs])
        for name in ("fedgroup", "torch", "flwr")
    }
    return (
        f"fedgroup {packages['fedgroup']} ({all_of([env['commit'] for env in envs])}), torch "
        f"{packages['torch']}, flwr {packages['flwr']}, "
        f"{all_of([env['device'] for env in envs])}, {all_of([env['threads'] for env in envs])} "
        f"thread(s) per run, {minutes:.1f} minutes of run time in all."
    )
