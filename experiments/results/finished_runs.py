"""What finished runs left behind, each file parsed once however often a report asks."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from experiments.experiment import Experiment
from fedgroup.run_directory import SECONDS, read_lines
from fedgroup.storage import read_json

BESIDES = ("prepare", "method")
"""Seconds of a method's own phases, which stand beside those of the rounds."""


def result(experiment: Experiment, results: Path) -> dict[str, Any] | None:
    """Return the result of a finished experiment, or None. Shared: do not change it."""
    return optional(results / experiment.id / "result.json")


def environment(experiment: Experiment, results: Path) -> dict[str, Any]:
    """Return versions, hardware and commit of a run. Shared: do not change it."""
    content: dict[str, Any] = _json(*_stamp(results / experiment.id / "env.json"))
    return content


def seconds(experiment: Experiment, results: Path) -> float:
    """Return the time that a run recorded, in seconds: its rounds and its method's own phases."""
    folder = results / experiment.id
    return _seconds(folder, *_stamp(folder / "timing.jsonl")[1:])


def optional(path: Path) -> dict[str, Any] | None:
    """Return the content of a JSON file; None where there is none. Shared: do not change it."""
    if not path.exists():
        return None
    content: dict[str, Any] = _json(*_stamp(path))
    return content


def _stamp(path: Path) -> tuple[Path, int, int]:
    """Return the file and what tells a newer version of it from this one."""
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
        float(record.get(part, 0.0))
        for record in read_lines(folder, "timing")
        for part in (*SECONDS, *BESIDES)
    )
