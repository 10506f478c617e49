"""The one run format: a directory named by the hash of its spec.

    spec.json         full settings            env.json         versions, hardware, commit
    partition.csv     samples per group and client
    poisons.csv       which samples an attack poisoned
    rounds.jsonl      one line per round: cohort, rejections, group counts on val and test
    clients.jsonl     one line per round and client
    selections.jsonl  what a method found and acts on, counts per tier (centralized runs)
    timing.jsonl      seconds per round (apart, so that equal runs have equal records)
    checkpoint.npz    global vectors, rule state, position    best.npz   vectors of the best round
    result.json       written last: its presence means done; names the run and its files' digests
    error.txt         why the last try failed; gone once it is tried again

Lines are only appended. A checkpoint remembers how long each file was; resuming cuts them back to
that length (timing.jsonl to its round), so an interrupted run ends with the records of an
uninterrupted one.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from fedgroup.errors import FedgroupError
from fedgroup.host.locks import Lock, is_held
from fedgroup.host.sharing import make_folder, share, why
from fedgroup.identity.run_identity import spec_changes
from fedgroup.runs.checkpoint import Checkpoint, length_until, read_checkpoint, write_checkpoint
from fedgroup.runs.environment import continued, environment
from fedgroup.runs.record_digests import UNBOUND, bound_to
from fedgroup.storage import Arrays, atomic, read_json, write_arrays, write_json

LINES = ("rounds", "clients", "timing", "selections")
"""Record files of a run, NAME.jsonl."""
SECONDS = ("train", "transfer", "aggregate", "evaluate", "record")
"""Parts of a round's time in timing.jsonl; `record` is the checkpoint of the round before."""
RESULT = "result.json"
ERROR = "error.txt"
"""The one line that says why a run failed."""
Status = Literal["missing", "running", "interrupted", "failed", "done"]


class InUse(FedgroupError):
    """Another process has a run directory open."""


class Run:
    """One run directory, opened for writing by exactly one process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = {name: (folder / f"{name}.jsonl").open("ab") for name in LINES}
        for name in LINES:
            share(folder / f"{name}.jsonl")

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
                if f"{name}.jsonl" not in UNBOUND:
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
            timing = self.folder / "timing.jsonl"
            lengths["timing"] = length_until(timing, checkpoint.round)
        for name, lines in self._files.items():
            if lines.seek(0, 2) < lengths[name]:
                raise FedgroupError(
                    f"{lines.name} is shorter than its checkpoint says: lines are lost; delete "
                    f"{self.folder} to start this run again"
                )
            lines.truncate(lengths[name])
            lines.seek(lengths[name])
        return checkpoint

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write result.json, the mark of a complete run, bound to the run and its records."""
        with _writing_to(self.folder):
            for file in self._files.values():
                file.flush()
            write_json(self.folder / RESULT, {**bound_to(self.folder), **result})

    def start_over(self) -> None:
        """Drop the checkpoint, so that the next try begins anew; the records stay until then."""
        (self.folder / "checkpoint.npz").unlink(missing_ok=True)

    def close(self) -> None:
        """Flush and close the record files."""
        for file in self._files.values():
            with suppress(OSError):  # on a full disk the flush has failed before, and was reported
                file.close()


@contextmanager
def _writing_to(folder: Path) -> Iterator[None]:
    """Turn the error of a full disk, or one that went away, into one clear line."""
    try:
        yield
    except OSError as error:
        raise FedgroupError(
            f"cannot write to {folder} ({why(error)}), then run again: "
            f"everything up to the last checkpoint is kept"
        ) from error


@contextmanager
def open_run(folder: Path, spec: Mapping[str, Any], places: Iterable[str] = ()) -> Iterator[Run]:
    """Open (or create) a run directory; no other process can open it until the block ends.

    Args:
        folder: The run directory.
        spec: Full settings of the run; a directory of other settings is refused.
        places: Dotted paths of settings that say where files lie, which may have moved.

    Yields:
        The directory, open for writing.

    Raises:
        FedgroupError: where the folder cannot be written, is open elsewhere, or has another spec.
    """
    lock = Lock(folder / "lock")
    try:
        make_folder(folder)
        taken = lock.acquire(wait=1.0)  # status() of another process takes it for an instant
    except OSError as error:
        raise FedgroupError(
            f"cannot write results to {folder} ({why(error)}): choose another folder with --results"
        ) from error
    if not taken:
        raise InUse(f"{folder} is in use by {lock.holder()}: wait for it, or stop it first")
    try:
        with _writing_to(folder):
            (folder / ERROR).unlink(missing_ok=True)
            _check_spec(folder, spec, places)
            write_json(folder / "env.json", continued(_before(folder), environment()))
            run = Run(folder)
        try:
            yield run
        except Exception as error:
            kind = "" if isinstance(error, FedgroupError) else f"{type(error).__name__}: "
            with suppress(OSError):  # the reason is on its way to the user anyway
                (folder / ERROR).write_text(f"{kind}{error}\n", encoding="utf-8")
            raise
        finally:
            run.close()
    finally:
        lock.release()


def _check_spec(folder: Path, settings: Mapping[str, Any], places: Iterable[str]) -> None:
    path = folder / "spec.json"
    if not path.exists():
        write_json(path, settings)
        return
    changed = spec_changes(read_json(path), settings, places)
    if changed:
        raise FedgroupError(
            f"{folder} was made with other defaults ({', '.join(changed)}): "
            f"move it away, or set the old values"
        )


def _before(folder: Path) -> dict[str, Any] | None:
    """Return the environment of the tries before; None where there is none, or a damaged one."""
    try:
        stored = json.loads((folder / "env.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return stored if isinstance(stored, dict) else None


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
    if (folder / RESULT).exists():
        return "done"
    if (folder / "spec.json").exists() and is_held(folder / "lock"):
        return "running"
    if (folder / ERROR).exists():
        return "failed"
    return "interrupted" if (folder / "spec.json").exists() else "missing"
