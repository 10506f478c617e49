"""The one run format: a directory named by the hash of its spec.

    spec.json         full settings            env.json         versions, hardware, commit
    partition.csv     samples per group and client
    poisons.csv       which samples an attack poisoned
    rounds.jsonl      one line per round: cohort, rejections, group counts on val and test
    clients.jsonl     one line per round and client
    selections.jsonl  what a method found and acts on, counts per tier (centralized runs)
    timing.jsonl      seconds per round (apart, so that equal runs have equal records)
    checkpoint.npz    global vectors, rule state, position    best.npz   vectors of the best round
    result.json       written last: its presence means done

Lines are only appended. A checkpoint remembers how long each file was; resuming cuts them back to
that length, so an interrupted run ends with the records of an uninterrupted one.
"""

import csv
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal

from fedgroup.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from fedgroup.environment import environment
from fedgroup.errors import FedgroupError
from fedgroup.storage import Arrays, atomic, read_json, take_lock, write_arrays, write_json

LINES = ("rounds", "clients", "timing", "selections")
"""Record files of a run, NAME.jsonl."""
SECONDS = ("train", "transfer", "aggregate", "evaluate", "record")
"""Parts of a round's time in timing.jsonl; `record` is the checkpoint of the round before."""
Status = Literal["missing", "running", "interrupted", "done"]


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
        """Write checkpoint.npz, whole or not at all; the lines appended so far become permanent.

        Args:
            number: Rounds done.
            arrays: State after that round, by name.
            facts: Plain values that the run keeps.

        Raises:
            FedgroupError: where the disk is full.
        """
        lengths = {}
        with _writing_to(self.folder):
            for name, file in self._files.items():
                file.flush()
                lengths[name] = file.tell()
            checkpoint = Checkpoint(number, arrays, dict(facts))
            write_checkpoint(self.folder / "checkpoint.npz", checkpoint, lengths)

    def save(self, name: str, arrays: Arrays) -> None:
        """Write arrays to NAME.npz, whole or not at all."""
        with _writing_to(self.folder):
            write_arrays(self.folder / f"{name}.npz", arrays)

    def table(self, name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Write a table to NAME.csv, whole or not at all.

        Args:
            name: Name of the file, without its suffix.
            header: Name of each column.
            rows: Values of each column, row by row.
        """
        with (
            _writing_to(self.folder),
            atomic(self.folder / f"{name}.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            csv.writer(file).writerows([header, *rows])

    def resume(self) -> Checkpoint | None:
        """Return the last checkpoint, records cut back to it; None where the run starts anew."""
        path = self.folder / "checkpoint.npz"
        lengths = dict.fromkeys(LINES, 0)
        checkpoint = None
        if path.exists():
            checkpoint, stored = read_checkpoint(path)
            lengths |= stored  # a run from before a kind of line existed has none of it
        for name, lines in self._files.items():
            lines.truncate(lengths[name])
            lines.seek(lengths[name])
        return checkpoint

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write result.json, the mark of a complete run."""
        with _writing_to(self.folder):
            for file in self._files.values():
                file.flush()
            write_json(self.folder / "result.json", result)

    def close(self) -> None:
        """Flush and close the record files."""
        for file in self._files.values():
            with suppress(OSError):  # on a full disk the flush has failed before, and was reported
                file.close()


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    """Turn the error of a full disk (or one that went away) into one clear line."""
    try:
        yield
    except OSError as error:
        raise FedgroupError(
            f"cannot write to {folder} ({error.strerror}): free some space and run again; "
            f"everything up to the last checkpoint is kept"
        ) from error


@contextmanager
def open_run(folder: Path, spec: Mapping[str, Any]) -> Iterator[Run]:
    """Open (or create) a run directory; no other process can open it until the block ends.

    Args:
        folder: The run directory.
        spec: Full settings of the run; a directory of other settings is refused.

    Yields:
        The directory, open for writing.

    Raises:
        FedgroupError: where the folder cannot be written, is open elsewhere, or has another spec.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise FedgroupError(
            f"cannot write results to {folder} ({error.strerror}): choose --results"
        ) from error
    with lock:
        if not _locked(lock):
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


def _locked(lock: IO[str]) -> bool:
    """Take the lock, trying for a second: status() of another process takes it for an instant."""
    for _ in range(10):
        if take_lock(lock):
            return True
        time.sleep(0.1)
    return False


def _check_spec(folder: Path, settings: Mapping[str, Any]) -> None:
    path = folder / "spec.json"
    if not path.exists():
        write_json(path, settings)
        return
    stored, wanted = read_json(path), json.loads(json.dumps(settings))
    if stored != wanted:
        changed = ", ".join(_differences(stored, wanted))
        raise FedgroupError(
            f"{folder} was made with other defaults ({changed}): "
            f"move it away, or set the old values"
        )


def _differences(old: Any, new: Any, where: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        return [  # a setting newer than the run has its default: the directory's name says so
            line
            for key in sorted(old)
            for line in _differences(old.get(key), new.get(key), f"{where}.{key}" if where else key)
        ]
    return [] if old == new else [f"{where} was {old!r}, is {new!r} now"]


def read_lines(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the complete lines of one of LINES; an unfinished last line is left out."""
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
    """Return the state of a run, read from the files that exist."""
    if (folder / "result.json").exists():
        return "done"
    if not (folder / "spec.json").exists():
        return "missing"
    with (folder / "lock").open("a") as lock:
        return "interrupted" if take_lock(lock) else "running"
