"""What finished runs left behind, each file parsed once however often a report asks."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from experiments.experiment import Experiment
from fedgroup.run_directory import SECONDS, read_json, read_lines

BESIDES = ("prepare", "method")
"""Seconds of a method's own phases, which stand beside those of the rounds."""


def result(experiment: Experiment, results: Path) -> dict[str, Any] | None:
    """Result of a finished experiment; None where it is not finished. Shared: do not change it."""
    return optional(results / experiment.id / "result.json")


def environment(experiment: Experiment, results: Path) -> dict[str, Any]:
    """Versions, hardware and commit of a run."""
    found: dict[str, Any] = _json(*_stamp(results / experiment.id / "env.json"))
    return found


def seconds(experiment: Experiment, results: Path) -> float:
    """Run time that a run recorded: its rounds and its method's own phases."""
    folder = results / experiment.id
    return _seconds(folder, *_stamp(folder / "timing.jsonl")[1:])


def optional(path: Path) -> dict[str, Any] | None:
    """Content of a JSON file; None where there is none. Shared: do not change it."""
    if not path.exists():
        return None
    found: dict[str, Any] = _json(*_stamp(path))
    return found


def _stamp(path: Path) -> tuple[Path, int, int]:
    """The file and what tells a newer version of it from this one."""
    if not path.exists():
        return path, 0, 0
    state = path.stat()
    return path, state.st_mtime_ns, state.st_size


@lru_cache(maxsize=4096)
def _json(path: Path, changed: int, size: int) -> Any:
    return read_json(path)


@lru_cache(maxsize=4096)
def _seconds(folder: Path, changed: int, size: int) -> float:
    return sum(
        float(row.get(part, 0.0))
        for row in read_lines(folder, "timing")
        for part in (*SECONDS, *BESIDES)
    )
