"""The one run format: a directory named by the hash of its spec.

    spec.json         full settings            env.json         versions, hardware, commit
    partition.csv     samples per group and client
    rounds.jsonl      one line per round: cohort, rejections, group counts on val and test
    clients.jsonl     one line per round and client
    selections.jsonl  what a method found and acts on, counts per tier (centralized runs)
    timing.jsonl      seconds per round (apart, so that equal runs have equal records)
    checkpoint.npz    global vectors, rule state, position    best.npz   vectors of the best round
    result.json       written last: its presence means done

Lines are only appended. A checkpoint remembers how long each file was; resuming cuts them back to
that length, so an interrupted run ends with the records of an uninterrupted one.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError

LINES = ("rounds", "clients", "timing", "selections")
SECONDS = ("train", "transfer", "aggregate", "evaluate", "record")
"""Parts of a round's time, as timing.jsonl names them; `record` is the checkpoint of the round before."""
Arrays = dict[str, NDArray[Any]]
Status = Literal["missing", "running", "interrupted", "done"]


@dataclass(frozen=True)
class Checkpoint:
    """State after a round: its number, named arrays, and whatever small facts the run keeps."""

    round: int
    arrays: Arrays
    facts: dict[str, Any]

    def part(self, prefix: str) -> Arrays:
        """The arrays named PREFIX.*, without the prefix."""
        start = f"{prefix}."
        held = {name: array for name, array in self.arrays.items() if name.startswith(start)}
        return {name.removeprefix(start): array for name, array in held.items()}


class Run:
    """One run directory, opened for writing by exactly one process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = {name: (folder / f"{name}.jsonl").open("ab") for name in LINES}

    def append(self, name: str, row: Mapping[str, Any]) -> None:
        """Append one JSON line to rounds, clients, timing or selections."""
        self._files[name].write(
            json.dumps(row, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        )

    def checkpoint(self, number: int, arrays: Arrays, facts: Mapping[str, Any]) -> None:
        """Store the state after round `number`, atomically; earlier lines become permanent."""
        lengths = {}
        with _room(self.folder):
            for name, file in self._files.items():
                file.flush()
                lengths[name] = file.tell()
        head = {"round": number, "lengths": lengths, "facts": dict(facts)}
        self.save("checkpoint", {**arrays, "__head__": np.array(json.dumps(head))})

    def save(self, name: str, arrays: Arrays) -> None:
        """Write arrays to NAME.npz, atomically."""
        temporary = self.folder / f".{name}.tmp"
        try:
            with _room(self.folder):
                with temporary.open("wb") as file:
                    np.savez(file, **arrays)  # type: ignore[arg-type]
                temporary.replace(self.folder / f"{name}.npz")
        finally:
            temporary.unlink(missing_ok=True)

    def resume(self) -> Checkpoint | None:
        """Load the last checkpoint, cutting records back to it; None where the run starts anew."""
        path = self.folder / "checkpoint.npz"
        lengths = dict.fromkeys(LINES, 0)
        found = None
        if path.exists():
            try:
                with path.open("rb") as file, np.load(file) as stored:
                    arrays = {name: stored[name] for name in stored.files}
                head = json.loads(str(arrays.pop("__head__")))
                found = Checkpoint(head["round"], arrays, head["facts"])
                lengths |= head[
                    "lengths"
                ]  # a run from before a kind of line existed has none of it
            except Exception as error:  # a damaged zip fails in many ways
                raise FedgroupError(
                    f"{path} is damaged ({error}); delete {self.folder} to start this run again"
                ) from error
        for name, lines in self._files.items():
            lines.truncate(lengths[name])
            lines.seek(lengths[name])
        return found

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write result.json, the mark of a complete run."""
        with _room(self.folder):
            for file in self._files.values():
                file.flush()
            write_json(self.folder / "result.json", result)

    def close(self) -> None:
        """Flush and close the record files."""
        for file in self._files.values():
            with suppress(OSError):  # on a full disk the flush has failed before, and was reported
                file.close()


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    """Turn a full disk (or one that went away) into one clear line."""
    try:
        yield
    except OSError as error:
        raise FedgroupError(
            f"cannot write to {folder} ({error.strerror}): free some space and run again; "
            f"everything up to the last checkpoint is kept"
        ) from error


@contextmanager
def open_run(folder: Path, spec: Mapping[str, Any]) -> Iterator[Run]:
    """Open (or create) the run directory for `spec`, alone; refuses another spec or another writer."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise FedgroupError(
            f"cannot write results to {folder} ({error.strerror}): choose --results"
        ) from error
    with lock:
        if not _locked(lock.fileno()):
            raise FedgroupError(
                f"{folder} is in use by another process: wait for it, or stop it first"
            )
        _check_spec(folder, spec)
        write_json(folder / "env.json", environment())
        run = Run(folder)
        try:
            yield run
        finally:
            run.close()


def _locked(descriptor: int) -> bool:
    """Take the lock, trying for a second: status() of another process holds it for an instant."""
    for _ in range(10):
        if _lock(descriptor):
            return True
        time.sleep(0.1)
    return False


def _lock(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows has no advisory locks of this kind
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _check_spec(folder: Path, spec: Mapping[str, Any]) -> None:
    path = folder / "spec.json"
    if not path.exists():
        write_json(path, spec)
        return
    stored = read_json(path)
    if stored != json.loads(json.dumps(spec)):
        changed = ", ".join(_differences(stored, json.loads(json.dumps(spec))))
        raise FedgroupError(
            f"{folder} was made with other defaults ({changed}): move it away, or set the old values"
        )


def _differences(old: Any, new: Any, where: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        return [  # a setting that is newer than the run has its default: the directory's name says so
            line
            for key in sorted(old)
            for line in _differences(old.get(key), new.get(key), f"{where}.{key}" if where else key)
        ]
    return [] if old == new else [f"{where} was {old!r}, is {new!r} now"]


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def read_json(path: Path) -> Any:
    """Read JSON; a damaged file is named."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FedgroupError(f"cannot read {path} ({error})") from error


def read_lines(folder: Path, name: str) -> list[dict[str, Any]]:
    """Complete lines of one of LINES; an unfinished last line is left out."""
    path = folder / f"{name}.jsonl"
    if not path.exists():
        return []
    rows = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise FedgroupError(f"{path} has a damaged line {len(rows) + 1} ({error})") from error
    return rows


def status(folder: Path) -> Status:
    """Read the state of a run from the files that exist."""
    if (folder / "result.json").exists():
        return "done"
    if not (folder / "spec.json").exists():
        return "missing"
    with (folder / "lock").open("a") as lock:
        return "interrupted" if _lock(lock.fileno()) else "running"


def environment() -> dict[str, Any]:
    """Versions, hardware and commit: what a reader needs to judge or repeat a number."""
    import platform

    import torch

    from fedgroup.device import describe, pick

    packages = {}
    for name in ("fedgroup", "torch", "torchvision", "numpy", "flwr", "ray"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed"
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "packages": packages,
        "platform": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": describe(pick()),
        "commit": _commit(),
    }


def _commit() -> str:
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip()
