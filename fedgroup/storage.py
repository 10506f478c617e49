"""Files on disk: written whole or not at all, locked by one process, cached in one folder."""

import json
import logging
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError

Arrays = dict[str, NDArray[Any]]
"""Arrays by name, as an .npz file holds them."""

_LOG = logging.getLogger(__name__)


def cache_dir() -> Path:
    """Return the folder of derived files: $FEDGROUP_CACHE, else fedgroup in the user's cache.

    Everything in it may be deleted at any time; it is made again.
    """
    chosen = os.environ.get("FEDGROUP_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "fedgroup"


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path` that replaces `path` when the block ends.

    Where the block raises, the temporary file is removed and `path` stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays to the .npz file `path`, whole or not at all."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_arrays(path: Path) -> Arrays:
    """Read all arrays of an .npz file; a damaged one raises what numpy and zipfile raise."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to `path`, whole or not at all; line ends stay as they are in `text`."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON to `path`, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the value of a JSON file; refuse a missing or damaged one by name."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FedgroupError(f"cannot read {path} ({error})") from error


# --- results in the cache folder ------------------------------------------------------------------


def load_cached(path: Path, names: set[str]) -> Arrays | None:
    """Return the arrays `names` stored at `path`, or None.

    There is None where there is no file and, with a warning, where it is damaged or has other
    names.
    """
    try:
        arrays = read_arrays(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        warn_damaged(path, error)
        return None
    if set(arrays) != names:
        warn_damaged(path, f"it does not hold {', '.join(sorted(names))}")
        return None
    return arrays


def warn_damaged(path: Path, reason: object) -> None:
    """Log that a stored result cannot be used and is made again."""
    _LOG.warning("%s is damaged (%s): it is made again", path, reason)


def save_cached(path: Path, arrays: Arrays) -> None:
    """Write arrays to `path` in the cache folder, whole or not at all."""
    try:
        write_arrays(path, arrays)
    except OSError as error:
        raise FedgroupError(
            f"cannot write {path} ({error.strerror}): "
            f"free some space or set FEDGROUP_CACHE elsewhere"
        ) from error


# --- locks ----------------------------------------------------------------------------------------


def take_lock(file: IO[Any], wait: bool = False) -> bool:
    """Take the exclusive lock of an open file; it is released when the file is closed.

    Args:
        file: A file of its own, beside what it guards.
        wait: Whether to wait for another process that has the lock.

    Returns:
        Whether the lock was taken; always true on Windows, which has no such locks.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        if wait:
            raise
        return False
    return True


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the exclusive right to make the cached result `path`; others wait until it is made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_suffix(".lock").open("w")
    except OSError as error:
        raise FedgroupError(
            f"cannot write to {path.parent} ({error.strerror}): "
            f"set FEDGROUP_CACHE to a writable folder"
        ) from error
    with file:
        if not take_lock(file):
            _LOG.info("waiting for another process that makes %s", path.name)
            take_lock(file, wait=True)
        yield
