"""What finished runs left behind, each file parsed once however often a report asks.

A run whose records cannot be trusted has no result here: `refusal` says why, and every report
leaves it out and names it. Files that say only how a run was made (env.json, timing.jsonl) take no
number away: where they are damaged, `remarks` says so.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.experiment import Experiment
from experiments.results.spec_check import check_spec
from experiments.results.weak_numbers import other_length
from fedgroup.errors import FedgroupError
from fedgroup.runs.environment import PACKAGES
from fedgroup.runs.record_digests import BOUND
from fedgroup.runs.result_file import read_result
from fedgroup.runs.run_directory import ERROR, RESULT, SECONDS, read_lines, status

BESIDES = ("prepare", "method")
"""Seconds of a method's own phases, which stand beside those of the rounds."""
UNKNOWN = "not recorded"
FACTS = ("started", "python", "platform", "processor", "cores", "threads", "device", "commit")
"""What env.json says besides the versions of packages."""

_Stamps = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class _Read:
    """A finished run as its files were when they were read."""

    stamps: _Stamps
    result: dict[str, Any] | None
    refusal: str
    """Why its numbers are not used; empty where they are."""


_RUNS: dict[tuple[Path, bool], _Read] = {}
_FILES: dict[Path, tuple[_Stamps, Any]] = {}


def result(experiment: Experiment, results: Path) -> dict[str, Any] | None:
    """Return the result of a finished experiment, or None. Shared: do not change it."""
    return _run(experiment, results).result


def refusal(experiment: Experiment, results: Path) -> str:
    """Return why the numbers of a finished experiment are not used; empty where they are."""
    return _run(experiment, results).refusal


def run_state(experiment: Experiment, results: Path) -> str:
    """Return the status of a run; `damaged` for a finished one whose numbers are not used."""
    return "damaged" if refusal(experiment, results) else status(results / experiment.id)


def reason(experiment: Experiment, results: Path) -> str:
    """Return why a run failed or is damaged, in one line; empty for any other."""
    path = results / experiment.id / ERROR
    try:
        failed = path.read_text(encoding="utf-8").strip() if path.exists() else ""
    except (OSError, ValueError):
        failed = f"see {path}"
    done = (results / experiment.id / RESULT).exists()
    return refusal(experiment, results) or ("" if done else failed)


def remarks(experiment: Experiment, results: Path) -> list[str]:
    """Return what is damaged beside the numbers of a run that is used."""
    folder = results / experiment.id
    found = []
    if _environment(folder / "env.json") is None:
        found.append(f"{folder / 'env.json'} cannot be read: versions and machine are not known")
    if _seconds(folder / "timing.jsonl") is None:
        found.append(f"{folder / 'timing.jsonl'} is damaged: the time of this run is not known")
    return found


def environment(experiment: Experiment, results: Path) -> dict[str, Any]:
    """Return versions, hardware and commit of a run; UNKNOWN where they are not to be had."""
    found = _environment(results / experiment.id / "env.json")
    if found is not None:
        return found
    return {"packages": dict.fromkeys(PACKAGES, UNKNOWN), **dict.fromkeys(FACTS, UNKNOWN)}


def seconds(experiment: Experiment, results: Path) -> float:
    """Return the time that a run recorded, in seconds: its rounds and its method's own phases."""
    return _seconds(results / experiment.id / "timing.jsonl") or 0.0


def optional(path: Path) -> dict[str, Any] | None:
    """Return the content of a JSON file; None where there is none. Shared: do not change it."""
    content: dict[str, Any] | None = _once(path, _json)
    return content


def _run(experiment: Experiment, results: Path) -> _Read:
    """Read a run, once as long as its files stay as they are."""
    folder = results / experiment.id
    path = folder / RESULT
    if not path.exists():
        return _Read((), None, "")
    files = {path, folder / "spec.json", *(f for p in BOUND for f in folder.glob(p))}
    stamps = tuple(sorted(stamp for file in files if (stamp := _stamp(file))))
    key = (folder, experiment.kept is None)
    known = _RUNS.get(key)
    if known is None or known.stamps != stamps:
        known = _RUNS[key] = _read(experiment, folder, stamps)
    return known


def _read(experiment: Experiment, folder: Path, stamps: _Stamps) -> _Read:
    try:
        check_spec(folder, experiment)
        stored = read_result(folder)
        if wrong := other_length(experiment, stored):
            raise FedgroupError(f"{folder}: {wrong}; delete the folder and run again")
    except FedgroupError as error:
        return _Read(stamps, None, str(error))
    return _Read(stamps, stored, "")


def _stamp(path: Path) -> tuple[str, int, int] | None:
    """Return a file and what tells a newer version of it from this one."""
    try:
        state = path.stat()
    except OSError:
        return None
    return path.name, state.st_mtime_ns, state.st_size


def _once(path: Path, read: Any) -> Any:
    """Return what `read` makes of a file, once as long as it stays as it is."""
    stamps = tuple(stamp for stamp in [_stamp(path)] if stamp)
    known = _FILES.get(path)
    if known is None or known[0] != stamps:
        known = _FILES[path] = (stamps, read(path) if stamps else None)
    return known[1]


def _json(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _environment(path: Path) -> dict[str, Any] | None:
    content = optional(path)
    if content is None or not isinstance(content.get("packages"), dict):
        return None
    return content if all(name in content for name in FACTS) else None


def _seconds(path: Path) -> float | None:
    found: float | None = _once(path, _sum) if path.exists() else 0.0
    return found


def _sum(path: Path) -> float | None:
    try:
        return sum(
            float(record.get(part, 0.0))
            for record in read_lines(path.parent, "timing")
            for part in (*SECONDS, *BESIDES)
        )
    except (FedgroupError, AttributeError, TypeError, ValueError):
        return None
