"""Files on disk: written whole or not at all, in one cache, made by one process at a time."""

import json
import logging
import os
import secrets
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from fedgroup.errors import FedgroupError
from fedgroup.host.locks import FOREVER, Lock
from fedgroup.host.sharing import make_folder, share, why

Arrays = dict[str, NDArray[Any]]
"""Arrays by name, as an .npz file holds them."""

_LOG = logging.getLogger(__name__)


def cache_dir() -> Path:
    """Return the folder of derived files: $FEDGROUP_CACHE, else fedgroup in the user's cache.

    Everything in it may be deleted at any time; it is made again.

    Raises:
        FedgroupError: There is no home folder to put it in.
    """
    chosen = os.environ.get("FEDGROUP_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        if chosen:
            return Path(chosen).expanduser()
        folder = Path(base) / "fedgroup" if base else user_cache_path("fedgroup", False)
        folder = folder.expanduser()
    except RuntimeError as error:  # a process without a home
        raise FedgroupError(
            f"no folder for derived files ({error}): set FEDGROUP_CACHE to a writable folder"
        ) from error
    return folder


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path` that replaces `path` when the block ends.

    Where the block raises, the temporary file is removed and `path` stays as it was.
    """
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        share(temporary)
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
            f"cannot write {path} ({why(error)}): set FEDGROUP_CACHE elsewhere"
        ) from error


@contextmanager
def exclusive(
    path: Path, remedy: str = "set FEDGROUP_CACHE to a writable folder"
) -> Iterator[None]:
    """Hold the exclusive right to make the file `path`; others wait until it is made.

    Args:
        path: A cached result, or another file that several processes may want to make.
        remedy: What to do where the lock beside it cannot be made.

    Raises:
        FedgroupError: Nothing can be written there.
    """
    lock = Lock(path.with_suffix(".lock"))
    try:
        make_folder(path.parent)
        if not lock.acquire():
            _LOG.info("waiting for %s, which makes %s", lock.holder(), path.name)
            lock.acquire(wait=FOREVER)
    except OSError as error:
        raise FedgroupError(f"cannot write to {path.parent} ({why(error)}): {remedy}") from error
    try:
        yield
    finally:
        lock.release()
