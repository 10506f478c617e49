"""Whether folders are fit for runs: writable, with space and locks, and nothing damaged in them."""

import json
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fedgroup.errors import FedgroupError
from fedgroup.host.downloaded_weights import is_damaged, weights_cache
from fedgroup.host.locks import Lock, kind_of
from fedgroup.host.sharing import make_folder, why
from fedgroup.storage import atomic

LEAST = 2**30
"""Bytes that must be free."""


def folder_health(folder: Path, cached: bool = False) -> str:
    """Return what a folder that runs write to is like.

    Args:
        folder: The folder; it is made where it is missing.
        cached: Whether it is the cache, whose files are looked through.

    Returns:
        Its place, its free space and its kind of locks.

    Raises:
        FedgroupError: It cannot be written, is full, or holds damaged files.
    """
    variable = "FEDGROUP_CACHE" if cached else "--results"
    require_writable(folder, f"choose another folder with {variable}")
    free = shutil.disk_usage(folder).free
    if free < LEAST:
        raise FedgroupError(
            f"{folder} has {free / 2**20:.0f} MiB left: free some space, or choose another folder "
            f"with {variable}"
        )
    text = f"{folder}, {free / 2**30:.0f} GiB free, locks by {kind_of(folder)}"
    if not cached:
        return text
    files = [path for path in folder.rglob("*") if path.is_file()]
    damaged = list(damaged_files(folder))
    if damaged:
        raise FedgroupError(
            f"damaged in the cache: {', '.join(str(path) for path in damaged)}; delete it, and it "
            f"is made again"
        )
    size = sum(path.stat().st_size for path in files)
    return f"{text}, {len(files)} files of {size / 2**20:.0f} MiB, none damaged"


def require_writable(folder: Path, remedy: str) -> None:
    """Make a folder and a file in it, and remove the file again.

    Args:
        folder: The folder.
        remedy: What to do where it cannot be written.

    Raises:
        FedgroupError: It cannot be written.
    """
    try:
        make_folder(folder)
        with atomic(folder / "try") as path:
            path.write_bytes(b"x")
        (folder / "try").unlink()
        lock = Lock(folder / ".try")
        lock.acquire()
        lock.release()
        lock.path.unlink(missing_ok=True)
    except OSError as error:
        raise FedgroupError(f"cannot write to {folder} ({why(error)}): {remedy}") from error


def damaged_files(cache: Path) -> Iterator[Path]:
    """Yield the arrays and image banks of the cache that are cut or unreadable."""
    for path in sorted(cache.rglob("*.npz")):
        if not path.name.startswith(".") and not zipfile.is_zipfile(path):
            yield path
    for info in sorted(cache.glob("*/info.json")):
        if not info.parent.name.startswith(".") and not _is_whole(info.parent):
            yield info.parent


def _is_whole(bank: Path) -> bool:
    try:
        json.loads((bank / "info.json").read_text(encoding="utf-8"))
        with np.load(bank / "columns.npz") as columns:
            rows = len(columns["y"])
        return len(np.load(bank / "pixels.npy", mmap_mode="r")) == rows
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return False


def weights_health() -> str:
    """Say whether torch's downloaded weights are what their names say."""
    folder = weights_cache()
    if not folder.is_dir():
        return f"none downloaded to {folder}"
    files = [path for path in sorted(folder.iterdir()) if path.suffix in (".pt", ".pth")]
    damaged = [path for path in files if os.access(path, os.R_OK) and is_damaged(path)]
    if damaged:
        names = ", ".join(str(path) for path in damaged)
        raise FedgroupError(f"damaged: {names}; delete it, and it is downloaded again")
    return f"{len(files)} downloaded to {folder}, none damaged"
