"""Measurements on finished runs that a table asks for (`probes: [strip, signals]`), once per run.

What a probe returns is written to probe-NAME.json in the run's folder; the numbers under its key
"values" are columns of the table.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from experiments.console import plain
from experiments.experiment import Experiment
from experiments.results.finished_runs import result
from experiments.results.probe_reports import (
    MADE_BY,
    MEASURED,
    made_by,
    measured_model,
    probe_report,
)
from experiments.results.spec_check import check_named
from experiments.tables.labels import labelled
from experiments.tables.table import Table
from fedgroup.errors import FedgroupError
from fedgroup.guards.component_results import checked_plain, described
from fedgroup.guards.surroundings import component_call, name_of
from fedgroup.identity.run_identity import component_path
from fedgroup.probes import NAMES
from fedgroup.probes.probe import Probe
from fedgroup.runs.result_file import read_result
from fedgroup.runs.run_directory import status
from fedgroup.settings.overrides import settings_of
from fedgroup.spec import build, resolve, short_name, to_dict
from fedgroup.storage import write_json


def component(settings: str | dict[str, Any], where: str) -> Probe:
    """Return a probe from its name, or from a mapping with `use` and its settings."""
    values = {"use": settings} if isinstance(settings, str) else dict(settings)
    probe: Probe = build(resolve(NAMES, str(values.pop("use", ""))), values, where)
    return probe


def probe_file(probe: Probe, run: Path) -> Path:
    """Return the file of a probe's report."""
    name = short_name(NAMES, type(probe)).rpartition(":")[2]
    return run / f"probe-{name}.json"


def measured_by(probe: Probe, run: Path) -> bool:
    """Return whether the run has a report of this probe with these settings."""
    report = probe_report(probe_file(probe, run))
    if report is None or report.get("settings") != to_dict(probe):
        return False
    ours = {"use": component_path(probe)}  # what a report of 0.1.0 would say, of a probe of ours
    return bool(report.get(MADE_BY, ours) == made_by(probe))


def measure(probe: Probe, run: Path) -> dict[str, Any]:
    """Apply a probe to a finished run, keep its report beside the run's records and return it."""
    if status(run) != "done":
        raise FedgroupError(f"{run} is not a finished run: run it to its end first")
    check_named(run)
    bound = measured_model(run, read_result(run))
    who = {"settings": to_dict(probe), MADE_BY: made_by(probe), MEASURED: bound}
    with component_call(probe, "run"):
        found = probe.run(run)
    name = name_of(probe, "run")
    if not isinstance(found, Mapping):
        raise FedgroupError(f"{name} returned {described(found)}, expected a mapping")
    checked_plain(name, found, "the report of a probe")
    report = {**who, **found}
    write_json(probe_file(probe, run), report)
    return report


def missing(table: Table, results: Path) -> list[tuple[Probe, Experiment, str]]:
    """Return probe, finished run and its label, of what a table asks for and is not there yet."""
    own = {experiment.id for experiment in table.experiments()}
    runs = [(run, label) for run, label in labelled(table) if run.id in own]
    return [
        (probe, run, label)
        for probe in (component(settings, f"{table.name}, probes") for settings in table.probes)
        for run, label in runs
        if result(run, results) and not measured_by(probe, results / run.id)
    ]


def measure_table(table: Table, results: Path, console: Console, threads: int) -> list[str]:
    """Make the measurements that a table asks for and that are missing.

    Args:
        table: The table.
        results: Folder of run directories.
        console: Where to show which measurement goes on.
        threads: CPU threads of a measurement.

    Returns:
        One line per failure.
    """
    failed = []
    todo = missing(table, results)
    if todo:
        torch.set_num_threads(threads)
    for number, (probe, run, label) in enumerate(todo, 1):
        name = f"{probe_file(probe, Path()).stem} of {label}"
        with console.status(plain(f"{name} ({number} of {len(todo)}) ...")):
            try:
                measure(probe, results / run.id)
            except FedgroupError as error:
                failed.append(f"{name}: {error}")
                continue
        if not console.is_terminal:
            console.print(plain(f"✓ {name} ({number} of {len(todo)})"), highlight=False)
    return failed


def print_probe(name: str, run: Path, assignments: list[str]) -> None:
    """Measure one run and print the numbers, one per line.

    Args:
        name: A probe: a short name or an import path.
        run: Directory of a finished run.
        assignments: Settings of the probe, e.g. overlays=20.
    """
    probe = component({**settings_of(name, assignments), "use": name}, name)
    report = measure(probe, run)
    console = Console(highlight=False)
    for label, value in report.get("values", {}).items():
        console.print(plain(f"{label:24} {value:.4g}"))
    console.print(plain(f"Written: {probe_file(probe, run)}"), soft_wrap=True)
