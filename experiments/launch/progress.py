"""What a person sees: live progress of many runs, their states, and the printed table."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table as RichTable

from clients.resources import Resources
from experiments.experiment import Experiment
from experiments.launch.memory_estimate import check, estimate
from experiments.launch.scheduler import Watched, launch, look
from experiments.launch.tensorboard import Board
from experiments.report.terminal import print_reports
from experiments.results.probe_values import measure_table
from experiments.tables.labels import labelled
from experiments.tables.table import Table
from fedgroup.errors import unknown
from fedgroup.model_selection import RULES, counts
from fedgroup.run_directory import SECONDS, status


def make_console() -> Console:
    """The terminal; where output goes to a file or a pipe, lines are wide instead of wrapped."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


PARTS = SECONDS[:-1]
"""Parts shown of a round: all but its record, which is that of the round before."""
MARKS = {"waiting": "·", "running": "▶", "done": "✓", "failed": "✗"}


def prepare(experiments: Sequence[Experiment], console: Console, threads: int) -> None:
    """Load every data set, attack and partition once, before any worker starts.

    Errors come early, and poisons are made on as many threads as clients train with: they are the same
    whoever makes them.
    """
    torch.set_num_threads(threads)
    from fedgroup.device import pick
    from fedgroup.task import assign_clients, load_splits, malicious_clients, prepared_splits
    from strategies.server.byzantine_clients import check_forgers

    pick()
    seen = set()
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
        if experiment.method is not None:
            continue
        shards = assign_clients(task)
        experiment.federation.check(len(shards))
        check_forgers(experiment.federation.byzantine, task.attackers.fraction)
        malicious_clients(task)


def run_tables(
    tables: Sequence[Table],
    results: Path,
    jobs: int,
    select: str,
    resources: Resources,
    board: Path | None = None,
    name: str = "",
) -> int:
    """Run what is missing, show progress, report; returns the exit code (1 where a run failed).

    A run that several tables share is run once; several tables also make one page, called `name`.
    """
    console = make_console()
    if select not in RULES:
        raise unknown("selection rule", select, RULES)
    started = time.monotonic()
    runs = _all_runs(tables)
    todo = [e for e, _ in runs if status(results / e.id) != "done"]
    title = tables[0].title if len(tables) == 1 else f"{len(tables)} tables"
    console.print(
        f"[bold]{title}[/bold]  {len(runs)} runs, {len(runs) - len(todo)} done, {jobs} side by side"
    )
    if todo:
        prepare(todo, console, resources.threads)
        _check_memory(todo, jobs, resources, console)
    watched = _watch(runs, results, jobs, console, resources, board) if todo else []
    failed = [run for run in watched if run.state == "failed"]
    for run in failed:
        console.print(
            f"[red]✗ {run.label}[/red] ({run.experiment.id}): {escape(run.reason)}",
            soft_wrap=True,
            highlight=False,
        )
    begun = [t for t in tables if any(status(results / e.id) == "done" for e in t.experiments())]
    unmeasured = [
        line for t in begun for line in measure_table(t, results, console, resources.threads)
    ]
    for line in unmeasured:
        console.print(f"[red]✗[/red] {escape(line)}", soft_wrap=True, highlight=False)
    if begun:
        print_reports(begun, results, select, console, name)
    if todo and not failed:
        console.print(f"{len(todo)} runs in {(time.monotonic() - started) / 60:.1f} minutes")
    return 1 if failed or unmeasured else 0


def _all_runs(tables: Sequence[Table]) -> list[tuple[Experiment, str]]:
    """Distinct runs of the tables with their names; of several tables with that of the first table too."""
    named: dict[str, tuple[Experiment, str]] = {}
    for table in tables:
        for experiment, label in labelled(table):
            text = label if len(tables) == 1 else f"{table.name}: {label}"
            named.setdefault(experiment.id, (experiment, text))
    return list(named.values())


def _check_memory(
    todo: Sequence[Experiment], jobs: int, resources: Resources, console: Console
) -> None:
    """Print the estimate of the largest runs that go side by side; refuses what does not fit."""
    needs = sorted(
        (estimate(e, resources) for e in todo), key=lambda need: need.total, reverse=True
    )
    console.print(check(needs[:jobs], resources), style="dim", highlight=False)


def _watch(
    runs: Sequence[tuple[Any, str]],
    results: Path,
    jobs: int,
    console: Console,
    resources: Resources,
    board: Path | None,
) -> list[Watched]:
    follow = Board(board, results) if board is not None else None
    if not console.is_terminal:
        plain = _Plain(console)

        def both(watched: Sequence[Watched]) -> None:
            plain(watched)
            if follow:
                follow(watched)

        return launch(runs, results, jobs, both, resources)
    overall = Progress(
        TextColumn("rounds"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
    bar = overall.add_task("rounds", total=None)
    with Live(console=console, refresh_per_second=4) as live:

        def display(watched: Sequence[Watched]) -> None:
            overall.update(
                bar, total=sum(r.rounds for r in watched), completed=sum(r.done for r in watched)
            )
            live.update(Group(_grid(watched), overall))
            if follow:
                follow(watched)

        return launch(runs, results, jobs, display, resources)


def _grid(watched: Sequence[Watched]) -> RichTable:
    grid = RichTable(box=None, pad_edge=False)
    for head in ("", "run", "round", "WGA", "ACC", "s/round", "/".join(PARTS)):
        grid.add_column(head, justify="left" if head in ("", "run") else "right")
    for run in watched:
        numbers = ("", "")
        if run.last is not None:
            value = counts(run.last, "test")
            numbers = (f"{100 * value.wga():.1f}", f"{100 * value.accuracy():.1f}")
        colour = {"running": "cyan", "done": "green", "failed": "red"}.get(run.state, "dim")
        mark = f"[{colour}]{MARKS[run.state]}[/]"
        grid.add_row(mark, run.label, f"{run.done}/{run.rounds}", *numbers, *_seconds(run.timing))
    return grid


def _seconds(timing: dict[str, Any] | None) -> tuple[str, str]:
    """Seconds of the last round and the share of its parts in percent."""
    parts = [float((timing or {}).get(part, 0.0)) for part in PARTS]
    total = sum(parts)
    if not timing or not total:
        return "", ""
    return f"{total:.1f}", " / ".join(f"{100 * part / total:.0f}" for part in parts) + " %"


class _Plain:
    """Progress for logs: a line when a run changes state and one every half minute."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.states: dict[str, str] = {}
        self.next = time.monotonic() + 30
        self.first: tuple[float, int] | None = None

    def __call__(self, watched: Sequence[Watched]) -> None:
        for run in watched:
            if self.states.get(run.experiment.id, "waiting") != run.state:
                self.console.print(
                    f"{MARKS[run.state]} {run.label}: {run.state} (round {run.done}/{run.rounds})"
                )
                self.states[run.experiment.id] = run.state
        if time.monotonic() > self.next:
            self.next += 30
            done, total = sum(r.done for r in watched), sum(r.rounds for r in watched)
            active = ", ".join(
                f"{r.label} {r.done}/{r.rounds}" for r in watched if r.state == "running"
            )
            self.console.print(
                f"  {done}/{total} rounds{self._left(done, total)}; running: {active}"
            )

    def _left(self, done: int, total: int) -> str:
        """Time left at the pace since the first look; empty before there is one."""
        now = time.monotonic()
        if self.first is None:
            self.first = (now, done)
        begun, before = self.first
        if done == before:
            return ""
        return f", about {(total - done) * (now - begun) / (done - before) / 60:.0f} min left"


def print_status(table: Table, results: Path) -> None:
    """Print one line per run: state, round, current WGA."""
    console = make_console()
    grid = RichTable(title=table.title, title_justify="left", box=None, pad_edge=False)
    for head in ("state", "run", "round", "WGA", "directory"):
        grid.add_column(head)
    for experiment, label in labelled(table):
        seen = Watched(experiment, label)
        look(seen, results)
        folder = results / experiment.id
        wga = f"{100 * counts(seen.last, 'test').wga():.1f}" if seen.last else ""
        state = status(folder)
        grid.add_row(
            state,
            label,
            f"{seen.done}/{seen.rounds}",
            wga,
            str(folder) if state != "missing" else "",
        )
    console.print(grid)
