"""Live progress of many runs: a table on a terminal, lines in a log."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
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
from experiments.console import plain
from experiments.experiment import Experiment
from experiments.launch.scheduler import Display, Watched, launch
from experiments.launch.tensorboard import Board
from fedgroup.model_selection import counts
from fedgroup.runs.run_directory import SECONDS

PARTS = SECONDS[:-1]
"""Parts shown of a round: all but its record, which is that of the round before."""
MARKS = {"waiting": "·", "running": "▶", "done": "✓", "failed": "✗"}
COLOURS = {"waiting": "dim", "running": "cyan", "done": "green", "failed": "red"}
EVERY = 30
"""Seconds between two lines of a log."""


def watch(
    runs: Sequence[tuple[Experiment, str]],
    results: Path,
    jobs: int,
    console: Console,
    resources: Resources,
    board: Path | None,
) -> list[Watched]:
    """Run the experiments that are not done and show how far they are.

    Args:
        runs: Experiments with their labels.
        results: Folder of their run directories.
        jobs: Runs side by side.
        console: Where to show them.
        resources: What one run may use.
        board: Folder for TensorBoard events; None for none.

    Returns:
        All runs with their final state.
    """
    follow = Board(board, results) if board is not None else None
    if not console.is_terminal:
        return launch(runs, results, jobs, _both(_Lines(console), follow), resources)
    rounds = Progress(
        TextColumn("rounds"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
    bar = rounds.add_task("rounds", total=None)
    with Live(console=console, refresh_per_second=4) as live:

        def display(watched: Sequence[Watched]) -> None:
            done, total = sum(run.done for run in watched), sum(run.rounds for run in watched)
            rounds.update(bar, total=total, completed=done)
            live.update(Group(_listing(watched), rounds))

        return launch(runs, results, jobs, _both(display, follow), resources)


def _both(display: Display, follow: Display | None) -> Display:
    """Return a display that also feeds `follow`, where there is one."""
    if follow is None:
        return display

    def show(watched: Sequence[Watched]) -> None:
        display(watched)
        follow(watched)

    return show


def _listing(watched: Sequence[Watched]) -> RichTable:
    listing = RichTable(box=None, pad_edge=False)
    for head in ("", "run", "round", "WGA", "ACC", "s/round", "/".join(PARTS)):
        listing.add_column(head, justify="left" if head in ("", "run") else "right")
    for run in watched:
        numbers = ("", "")
        if run.last is not None:
            test = counts(run.last, "test")
            numbers = (wga_of(run.last), f"{100 * test.accuracy():.1f}")
        colour = "yellow" if is_short(run) else COLOURS[run.state]
        mark = f"[{colour}]{mark_of(run)}[/]"
        rounds = f"{run.done}/{run.rounds}"
        listing.add_row(mark, plain(run.label), rounds, *numbers, *_seconds(run.timing))
    return listing


def wga_of(row: dict[str, Any] | None) -> str:
    """Return the WGA of an evaluated line of rounds.jsonl as text; empty where there is none."""
    return "" if row is None else f"{100 * counts(row, 'test').wga():.1f}"


def is_short(run: Watched) -> bool:
    """Return whether a run is done although replies of clients were refused or lost."""
    return run.state == "done" and run.refused > 0


def mark_of(run: Watched) -> str:
    """Return the mark of a run: no tick where replies of clients were refused or lost."""
    return "!" if is_short(run) else MARKS[run.state]


def _seconds(timing: dict[str, Any] | None) -> tuple[str, str]:
    """Return the seconds of the last round and the share of its parts in percent."""
    parts = [float((timing or {}).get(part, 0.0)) for part in PARTS]
    total = sum(parts)
    if not timing or not total:
        return "", ""
    return f"{total:.1f}", " / ".join(f"{100 * part / total:.0f}" for part in parts) + " %"


class _Lines:
    """Progress for logs: a line when a run changes state and one every half minute."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.states: dict[str, str] = {}
        self.next = time.monotonic() + EVERY
        self.first: tuple[float, int] | None = None
        """When and at how many rounds the pace was first looked at."""

    def __call__(self, watched: Sequence[Watched]) -> None:
        for run in watched:
            if self.states.get(run.experiment.id, "waiting") != run.state:
                refused = f", {run.refused} replies refused or lost" if run.refused else ""
                rounds = f"(round {run.done}/{run.rounds}{refused})"
                self.console.print(plain(f"{mark_of(run)} {run.label}: {run.state} {rounds}"))
                self.states[run.experiment.id] = run.state
        if time.monotonic() > self.next:
            self.next += EVERY
            done, total = sum(run.done for run in watched), sum(run.rounds for run in watched)
            active = ", ".join(
                f"{run.label} {run.done}/{run.rounds}" for run in watched if run.state == "running"
            )
            left = self._left(done, total)
            self.console.print(plain(f"  {done}/{total} rounds{left}; running: {active}"))

    def _left(self, done: int, total: int) -> str:
        """Return the time left at the pace since the first look; empty before there is one."""
        now = time.monotonic()
        if self.first is None:
            self.first = (now, done)
        begun, before = self.first
        if done == before:
            return ""
        return f", about {(total - done) * (now - begun) / (done - before) / 60:.0f} min left"
