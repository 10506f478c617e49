"""Results of long stages on disk, named by the hash of everything they depend on."""

import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.errors import FedgroupError
from fedgroup.paths import cache_dir

Arrays = dict[str, NDArray[Any]]
FORMAT = 1
"""Raised when equal settings would no longer give equal results."""

_LOG = logging.getLogger(__name__)
_HASHED = 256


def path_for(kind: str, parts: Mapping[str, Any]) -> Path:
    """File of a result: cache_dir()/attacks/KIND-HASH.npz, the hash taken over JSON-able `parts`."""
    text = json.dumps({"format": FORMAT, **parts}, sort_keys=True, separators=(",", ":"))
    return cache_dir() / "attacks" / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz"


def fingerprint(data: GroupedDataset) -> str:
    """16 hex digits of a view's content: pixels, labels, groups and normalisation, sample by sample."""
    digest = hashlib.sha256(json.dumps([data.info.mean, data.info.std, *data.size]).encode())
    for column in (data.y, data.group):
        digest.update(np.ascontiguousarray(column).tobytes())
    for start in range(0, len(data), _HASHED):
        positions: Ints = np.arange(start, min(start + _HASHED, len(data)))
        digest.update(data.pixels(positions).cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def load(path: Path, names: set[str]) -> Arrays | None:
    """Arrays stored at `path`; None where there is no file or, with a warning, where it is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
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
    """Say that a stored result cannot be used."""
    _LOG.warning("%s is damaged (%s): it is made again", path, reason)


def save(path: Path, arrays: Arrays) -> None:
    """Write arrays to `path`, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        temporary.replace(path)
    except OSError as error:
        raise FedgroupError(
            f"cannot write {path} ({error.strerror}): free some space or set FEDGROUP_CACHE elsewhere"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the right to make `path`: workers that need the same result wait for the first one's."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("w")
    except OSError as error:
        raise FedgroupError(
            f"cannot write to {path.parent} ({error.strerror}): set FEDGROUP_CACHE to a writable folder"
        ) from error
    with lock:
        try:
            import fcntl
        except ImportError:  # Windows has no such locks: every worker makes the result for itself
            yield
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            _LOG.info("waiting for another process that makes %s", path.name)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
