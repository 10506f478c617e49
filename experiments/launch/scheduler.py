"""Many experiments side by side: one process each, watched through their run directories.

A worker that fails or is killed takes nothing else with it, and what it had recorded stays.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from clients.ray_grid import shared_ray
from clients.resources import Resources
from experiments.experiment import Experiment
from experiments.launch import processes
from experiments.launch.worker import work
from experiments.results.finished_runs import refusal
from fedgroup.device import CORES, VARIABLE, cores, pick
from fedgroup.errors import FedgroupError
from fedgroup.runs.run_directory import ERROR, read_lines, status

POLL = 0.25
"""Seconds between looks at the run directories."""


@dataclass
class Watched:
    """One experiment as the display sees it."""

    experiment: Experiment
    label: str
    """What the run is called."""
    done: int = 0
    """Rounds recorded."""
    last: dict[str, Any] | None = None
    """Last evaluated record line."""
    timing: dict[str, Any] | None = None
    """Last line of seconds by part."""
    state: str = "waiting"
    """waiting, running, done or failed."""
    reason: str = ""
    """Why it failed, in one line."""
    refused: int = 0
    """Replies of clients that were refused or lost, in all rounds."""
    sizes: tuple[int, ...] = ()
    """Bytes of the record files when they were last read."""

    @property
    def rounds(self) -> int:
        """Rounds in all."""
        return self.experiment.rounds


Display = Callable[[Sequence[Watched]], None]
"""Shows all runs as they are now."""


class Process(Protocol):
    """A run that was started: a process here, or a task on a cluster."""

    @property
    def exitcode(self) -> int | None:
        """Exit code, negative for the signal that ended it; None while it runs."""
        ...

    def terminate(self) -> None:
        """Stop the run; its records stay."""
        ...

    def join(self) -> None:
        """Wait until it has stopped."""
        ...


Start = Callable[[str, str, Resources, dict[str, str]], Process]
"""Starts a run, given the arguments of worker.work()."""


def default_jobs(resources: Resources) -> int:
    """Return how many runs go side by side where --jobs does not say: one per core it needs."""
    return max(1, cores() // (resources.workers * resources.threads))


def launch(
    runs: Sequence[tuple[Experiment, str]],
    results: Path,
    jobs: int,
    display: Display,
    resources: Resources | None = None,
) -> list[Watched]:
    """Run the experiments that are not done.

    Args:
        runs: Experiments with their labels.
        results: Folder of their run directories.
        jobs: Runs side by side.
        display: Called with all runs after every look at their directories.
        resources: What one run may use; default: one thread, no Ray.

    Returns:
        All runs with their final state.
    """
    resources = resources or Resources()
    watched = [Watched(experiment, label) for experiment, label in runs]
    for run in watched:
        look(run, results)
    waiting = [run for run in watched if run.state == "waiting"]
    side = min(jobs, len(waiting) or 1)
    slots = Slots(side, resources)
    with shared_ray(resources, side) as inner:
        _work_through(watched, waiting, slots, results, display, starter(resources), inner)
    display(watched)
    return watched


def _work_through(
    watched: list[Watched],
    waiting: list[Watched],
    slots: "Slots",
    results: Path,
    display: Display,
    start: Start,
    resources: Resources,
) -> None:
    """Start the waiting runs as slots come free, and follow all until none is active."""
    active: dict[int, tuple[Watched, Process, int]] = {}
    try:
        while waiting or active:
            while waiting and slots.free:
                run, slot = waiting.pop(0), slots.free.pop(0)
                run.state = "running"
                text, place = run.experiment.to_json(), slots.environment(slot)
                process = start(text, str(results.resolve()), resources, place)
                active[id(run)] = (run, process, slot)
            for key, (run, process, slot) in list(active.items()):
                code = process.exitcode  # first: the look then sees all that the process wrote
                look(run, results)
                if code is not None:
                    del active[key]
                    slots.free.append(slot)
                    _settle(run, code, results)
            display(watched)
            time.sleep(POLL)
    finally:
        for _, process, _ in active.values():
            process.terminate()
        for _, process, _ in active.values():
            process.join()


class Slots:
    """Places to run side by side; each has a share of the cores and, with several GPUs, one."""

    def __init__(self, jobs: int, resources: Resources) -> None:
        """Make `jobs` places for runs that use `resources` each."""
        self.free = list(range(jobs))
        self._gpus = 0
        self._cores = 0
        if resources.ray_address is not None:
            return  # Ray gives out the cores and GPUs of its machines
        self._cores = max(1, cores() // jobs)
        if str(pick()) == "cuda" and not resources.needs_ray and torch.cuda.device_count() > 1:
            self._gpus = torch.cuda.device_count()

    def environment(self, slot: int) -> dict[str, str]:
        """Return the variables of a run in this slot."""
        variables = {CORES: str(self._cores)} if self._cores else {}
        return variables | {VARIABLE: f"cuda:{slot % self._gpus}"} if self._gpus else variables


def starter(resources: Resources) -> Start:
    """Return how runs start: as processes here, or as tasks on the cluster at ray_address."""
    if resources.ray_address is not None:
        from experiments.launch.ray_cluster import on_cluster

        return on_cluster(resources)
    return processes.starter(work, "experiments.launch.worker")


def look(run: Watched, results: Path) -> None:
    """Refresh a run's progress from its directory; files that did not grow are not read again."""
    folder = results / run.experiment.id
    sizes = tuple(_size(folder / f"{name}.jsonl") for name in ("rounds", "timing"))
    if sizes != run.sizes:
        with suppress(FedgroupError, KeyError, TypeError, ValueError):  # damaged lines
            _read_progress(run, folder)
        run.sizes = sizes
    if (folder / "result.json").exists() and run.state in ("waiting", "running"):
        run.reason = refusal(run.experiment, results)
        run.state = "failed" if run.reason else "done"


def _read_progress(run: Watched, folder: Path) -> None:
    rows = read_lines(folder, "rounds")
    if rows:
        last = next((row for row in reversed(rows) if "test" in row), None)
        run.done, run.last = int(rows[-1]["round"]), last
        run.refused = sum(len(row.get("refused", ())) for row in rows)
        run.timing = next(iter(read_lines(folder, "timing")[-1:]), None)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _settle(run: Watched, code: int, results: Path) -> None:
    """Set the final state of a run whose process has ended, and why where it failed."""
    folder = results / run.experiment.id
    if code == 0 and status(folder) == "done":
        run.reason = refusal(run.experiment, results)
        run.state = "failed" if run.reason else "done"
        return
    run.state = "failed"
    reason = folder / ERROR
    if reason.exists():
        run.reason = reason.read_text(encoding="utf-8", errors="replace").strip()
    elif code < 0:
        run.reason = processes.cause(code)
    elif code == 0:
        run.reason = "its code or its files were changed while the table ran; run again"
    else:
        run.reason = f"exit code {code}; see {folder / 'log.txt'}"
