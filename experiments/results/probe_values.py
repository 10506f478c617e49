"""Measurements on finished runs that a table asks for (`probes: [strip, signals]`), each made once per run.

A probe is a component with `run(folder) -> report`, a JSON-able mapping written to probe-NAME.json in the
run's folder; the numbers under its key "values" are columns of the table.
"""

from pathlib import Path
from typing import Any, Protocol

import torch
from rich.console import Console

from experiments.experiment import Experiment
from experiments.results.store import optional
from experiments.tables.labels import labelled
from experiments.tables.table import Table
from fedgroup.errors import FedgroupError
from fedgroup.probes import NAMES
from fedgroup.run_directory import status, write_json
from fedgroup.spec import build, overrides, resolve, short_name, to_dict


class Probe(Protocol):
    """What a probe can do; its fields are its settings."""

    def run(self, folder: Path) -> dict[str, Any]:
        """Measure the finished run in `folder`, without changing it."""
        ...


def component(settings: str | dict[str, Any], where: str) -> Probe:
    """A probe from its name, or from a mapping with `use` and its settings."""
    given = {"use": settings} if isinstance(settings, str) else dict(settings)
    made: Probe = build(resolve(NAMES, str(given.pop("use", ""))), given, where)
    return made


def probe_file(probe: Probe, run: Path) -> Path:
    """Where a probe's report stands."""
    name = short_name(NAMES, type(probe)).rpartition(":")[2]
    return run / f"probe-{name}.json"


def measured_by(probe: Probe, run: Path) -> bool:
    """Whether the run has a report of this probe with these settings."""
    found = optional(probe_file(probe, run))
    return found is not None and found.get("settings") == to_dict(probe)


def measure(probe: Probe, run: Path) -> dict[str, Any]:
    """Apply a probe to a finished run and keep its report beside the run's records."""
    if status(run) != "done":
        raise FedgroupError(f"{run} is not a finished run: run it to its end first")
    report = {"settings": to_dict(probe), **probe.run(run)}
    write_json(probe_file(probe, run), report)
    return report


def missing(table: Table, results: Path) -> list[tuple[Probe, Experiment, str]]:
    """Probe, finished run and its label, of what a table asks for and is not there yet."""
    own = {experiment.id for experiment in table.experiments()}
    runs = [(run, label) for run, label in labelled(table) if run.id in own]
    return [
        (probe, run, label)
        for probe in (component(settings, f"{table.name}, probes") for settings in table.probes)
        for run, label in runs
        if status(results / run.id) == "done" and not measured_by(probe, results / run.id)
    ]


def measure_table(table: Table, results: Path, console: Console, threads: int) -> list[str]:
    """Make the measurements that a table asks for and that are missing; returns a line per failure."""
    failed = []
    todo = missing(table, results)
    if todo:
        torch.set_num_threads(threads)
    for number, (probe, run, label) in enumerate(todo, 1):
        name = f"{probe_file(probe, Path()).stem} of {label}"
        with console.status(f"{name} ({number} of {len(todo)}) ..."):
            try:
                measure(probe, results / run.id)
            except FedgroupError as error:
                failed.append(f"{name}: {error}")
                continue
        if not console.is_terminal:
            console.print(f"✓ {name} ({number} of {len(todo)})", highlight=False)
    return failed


def print_probe(name: str, run: Path, assignments: list[str]) -> None:
    """Measure one run and print the numbers, one per line."""
    probe = component({**overrides(assignments), "use": name}, name)
    report = measure(probe, run)
    console = Console(highlight=False)
    for label, value in report.get("values", {}).items():
        console.print(f"{label:24} {value:.4g}")
    console.print(f"Written: {probe_file(probe, run)}", soft_wrap=True)


def values(run: Path) -> dict[str, float]:
    """Numbers of all probes that measured a run, by name."""
    found: dict[str, float] = {}
    for path in sorted(run.glob("probe-*.json")):
        found |= (optional(path) or {}).get("values", {})
    return found
