"""Run what is missing of tables, with live progress, and report them."""

import time
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from clients.resources import Resources
from experiments.console import make_console, plain
from experiments.experiment import Experiment
from experiments.launch.folder_health import require_writable
from experiments.launch.memory_estimate import check_memory, estimate
from experiments.launch.progress import watch
from experiments.report.left_out import left_out
from experiments.report.terminal import print_reports
from experiments.results.finished_runs import refusal, result
from experiments.results.older_runs import changes
from experiments.results.probe_values import measure_table
from experiments.tables.labels import labelled
from experiments.tables.table import Table
from fedgroup.device import pick
from fedgroup.errors import unknown
from fedgroup.model_selection import RULES
from fedgroup.runs.run_directory import status
from fedgroup.task import load_splits, prepared_splits
from strategies.server.preflight import preflight, remark


def run_tables(
    tables: Sequence[Table],
    results: Path,
    jobs: int,
    select: str,
    resources: Resources,
    board: Path | None = None,
    page: str = "",
) -> int:
    """Run what is missing, show progress, report.

    Args:
        tables: Tables; a run that several of them share is run once.
        results: Folder of run directories and reports.
        jobs: Runs side by side.
        select: Selection rule: which round is reported.
        resources: What one run may use.
        board: Folder for TensorBoard events; None for none.
        page: Name of the page of all, where there are several tables.

    Returns:
        The exit code: 1 where a run or a measurement failed, else 0.

    Raises:
        FedgroupError: There is no such selection rule, the runs need more memory than is free, or
            their data, attack or partition cannot be prepared.
    """
    console = make_console()
    if select not in RULES:
        raise unknown("selection rule", select, RULES)
    started = time.monotonic()
    runs = distinct_runs(tables)
    todo = [e for e, _ in runs if status(results / e.id) != "done"]
    damaged = sum(bool(refusal(e, results)) for e, _ in runs)
    title = tables[0].title if len(tables) == 1 else f"{len(tables)} tables"
    counted = (
        f"  {len(runs)} runs, {len(runs) - len(todo) - damaged} done, "
        f"{f'{damaged} damaged, ' if damaged else ''}{jobs} side by side"
    )
    console.print(plain(title, "bold"), plain(counted), sep="")
    for line in changes(tables, results):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    failed = 0
    if todo:
        require_writable(results, "choose another folder with --results")
        prepare(todo, console, resources.threads)
        _print_memory(todo, jobs, resources, console)
        watched = watch(runs, results, jobs, console, resources, board)
        for run in watched:
            if run.state == "failed":
                failed += 1
                rest = plain(f" ({run.experiment.id}): {run.reason}")
                marked = plain(f"✗ {run.label}", "red")
                console.print(marked, rest, sep="", soft_wrap=True, highlight=False)
    unmeasured = _report(tables, results, select, console, resources.threads, page)
    if todo and not failed:
        console.print(f"{len(todo)} runs in {(time.monotonic() - started) / 60:.1f} minutes")
    return 1 if failed or unmeasured else 0


def _report(
    tables: Sequence[Table], results: Path, select: str, console: Console, threads: int, page: str
) -> int:
    """Measure and report the tables with a finished run.

    Returns:
        How many measurements failed, and finished runs are damaged.
    """
    begun = [t for t in tables if any(result(e, results) for e in t.experiments())]
    failures = [line for t in begun for line in measure_table(t, results, console, threads)]
    for line in failures:
        console.print(plain("✗", "red"), plain(line), soft_wrap=True, highlight=False)
    problems = [line for t in tables if t not in begun for line in left_out(t, results)]
    for line in problems:
        console.print(plain("✗", "red"), plain(line), soft_wrap=True, highlight=False)
    damaged = print_reports(begun, results, select, console, page) if begun else 0
    return len(failures) + len(problems) + damaged


def distinct_runs(tables: Sequence[Table]) -> list[tuple[Experiment, str]]:
    """Return the distinct runs of the tables with their labels.

    Of several tables a label begins with the name of the first one that has the run.
    """
    named: dict[str, tuple[Experiment, str]] = {}
    for table in tables:
        for experiment, label in labelled(table):
            text = label if len(tables) == 1 else f"{table.name}: {label}"
            named.setdefault(experiment.id, (experiment, text))
    return list(named.values())


def prepare(experiments: Sequence[Experiment], console: Console, threads: int) -> None:
    """Load every data set, attack and partition once, before any worker starts.

    Errors come early, and poisons are made on as many threads as clients train with: they are the
    same whoever makes them.

    Args:
        experiments: Runs that are not done.
        console: Where to say what is being prepared.
        threads: CPU threads of one training client.
    """
    torch.set_num_threads(threads)
    pick()
    seen: set[object] = set()
    for experiment in experiments:
        task = experiment.task
        if task.data not in seen:
            seen.add(task.data)
            with console.status(f"Preparing {type(task.data).__name__} ..."):
                load_splits(task.data)
        if task.inject and (task.data, task.attack) not in seen:
            seen.add((task.data, task.attack))
            with console.status(f"Preparing {type(task.attack).__name__} ..."):
                prepared_splits(task)
        if experiment.method is None:
            shards = preflight(task, experiment.federation)
            text = remark(experiment.federation, len(shards))
            if text and text not in seen:
                seen.add(text)
                console.print(text, style="yellow", highlight=False, markup=False)


def _print_memory(
    todo: Sequence[Experiment], jobs: int, resources: Resources, console: Console
) -> None:
    """Print the estimate of the largest runs that go side by side; refuse what does not fit."""
    needs = sorted(
        (estimate(e, resources) for e in todo), key=lambda need: need.total, reverse=True
    )
    console.print(check_memory(needs[:jobs], resources), style="dim", highlight=False)
