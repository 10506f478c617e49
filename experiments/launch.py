"""Many experiments side by side: one process each, watched through their run directories.

A worker that fails or is killed takes nothing else with it, and what it had recorded stays.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.experiment import Experiment
from experiments.worker import ERROR, work
from fedgroup.record import read_lines, status

POLL = 0.25
"""Seconds between looks at the run directories."""


@dataclass
class Watched:
    """One experiment as the display sees it."""

    experiment: Experiment
    label: str
    done: int = 0
    """Rounds recorded."""
    last: dict[str, Any] | None = None
    """Last evaluated record line."""
    state: str = "waiting"
    """waiting, running, done or failed."""
    reason: str = ""

    @property
    def rounds(self) -> int:
        """Rounds in all."""
        return self.experiment.federation.rounds


Display = Callable[[Sequence[Watched]], None]


def threads_for(jobs: int) -> int:
    """Threads of one worker, so that all workers together fill the cores."""
    return max(1, (os.cpu_count() or 1) // jobs)


def launch(
    runs: Sequence[tuple[Experiment, str]],
    results: Path,
    jobs: int,
    display: Display,
    threads: int | None = None,
) -> list[Watched]:
    """Run the experiments that are not done, `jobs` at a time; returns all with their final state."""
    watched = [Watched(experiment, label) for experiment, label in runs]
    for run in watched:
        look(run, results)
    waiting = [run for run in watched if run.state != "done"]
    # one thread each: side by side they beat one worker with many, for models of this size
    threads = threads or threads_for(min(jobs, len(waiting) or 1))
    forks = "forkserver" in multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if forks else "spawn")
    if forks:  # heavy imports once, not once per run
        context.set_forkserver_preload(["experiments.worker"])
    active: dict[int, tuple[Watched, Any]] = {}
    try:
        while waiting or active:
            while waiting and len(active) < jobs:
                run = waiting.pop(0)
                run.state = "running"
                process = context.Process(target=work, args=(run.experiment.to_json(), str(results), threads))
                process.start()
                active[id(run)] = (run, process)
            for key, (run, process) in list(active.items()):
                look(run, results)
                if process.exitcode is not None:
                    del active[key]
                    _settle(run, process.exitcode, results)
            display(watched)
            time.sleep(POLL)
    finally:
        for _, process in active.values():
            process.terminate()
        for _, process in active.values():
            process.join()
    display(watched)
    return watched


def look(run: Watched, results: Path) -> None:
    """Refresh a run's progress from its directory."""
    folder = results / run.experiment.id
    rows = read_lines(folder, "rounds")
    if rows:
        run.done = int(rows[-1]["round"])
        run.last = next((row for row in reversed(rows) if "test" in row), None)
    if (folder / "result.json").exists():
        run.state = "done"


def _settle(run: Watched, code: int, results: Path) -> None:
    folder = results / run.experiment.id
    if code == 0 and status(folder) == "done":
        run.state = "done"
        return
    run.state = "failed"
    reason = folder / ERROR
    if reason.exists():
        run.reason = reason.read_text().strip()
    elif code < 0:
        run.reason = f"killed by signal {-code}; run again to continue from its last round"
    else:
        run.reason = f"exit code {code}; see {folder / 'log.txt'}"
