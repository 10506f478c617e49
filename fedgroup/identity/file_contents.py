"""Digests of the files that a setting names: by content, never by place.

A file is read whole every time, unless it is a picture or large. Those are read once, and again
where size, time of change (mtime and ctime), or inode differ from what the manifest in the cache
folder says: a file that is overwritten in place with the same size and mtime has another ctime,
which no program can set back. A file that changed within two seconds of its reading is read again.
"""

import hashlib
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from fedgroup.storage import cache_dir, load_cached, save_cached

FORMAT = 1
"""Raised when equal files would give other digests."""
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
LARGE = 64 * 2**20
"""Bytes from which a file is read again only where it looks changed."""
SETTLED = 2 * 10**9
"""Nanoseconds that a file must have been left alone before its reading is relied on later."""
STAT = ("size", "mtime", "ctime", "inode")
ABSENT = (-1, 0, 0, 0)
"""What stands for a file that is not there."""
WIDTH = 16
"""Bytes of a digest."""

Stats = NDArray[np.int64]
"""(N, 4): STAT of each file."""
Sums = NDArray[np.uint8]
"""(N, WIDTH): digest of each file's content."""


def digest_files(root: Path, paths: Sequence[Path], anew: bool = False) -> str:
    """Return 16 hex digits of files: their names relative to `root`, and what they hold.

    Args:
        root: Folder that the names are relative to; where it lies does not matter.
        paths: The files; one that is absent has a digest of its own.
        anew: Read every file, whatever the manifest says.

    Returns:
        The digest, the same wherever equal files lie.
    """
    names = [Path(os.path.relpath(path, root)).as_posix() for path in paths]
    sums = _sums(root, names, anew)[0]
    whole = hashlib.sha256(f"{FORMAT}\n".encode())
    if len(names) == 1:
        names = [""]  # what a single file is called is as much a place as its folder
    for name, content in sorted(zip(names, sums.tolist(), strict=True)):
        whole.update(f"{name}\n".encode() + bytes(content))
    return whole.hexdigest()[:16]


def changed_in_place(root: Path, paths: Sequence[Path]) -> list[Path]:
    """Return the files whose content is not what the manifest says; all are read anew."""
    names = [Path(os.path.relpath(path, root)).as_posix() for path in paths]
    known, found = _sums(root, names, False)[0], _sums(root, names, True)[0]
    return [paths[i] for i in np.flatnonzero((known != found).any(1)).tolist()]


def files_below(folder: Path) -> list[Path]:
    """Return every file below a folder, sorted; hidden ones are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    )


def _sums(root: Path, names: Sequence[str], anew: bool) -> tuple[Sums, int]:
    """Return the digest of every file, and how many were read."""
    taken = time.time_ns()
    stats = _stats(root, names)
    relied = np.array([Path(n).suffix.lower() in PICTURES for n in names], bool)
    relied |= stats[:, 0] >= LARGE
    manifest = _manifest(root, names)
    sums, known = np.zeros((len(names), WIDTH), np.uint8), np.zeros(len(names), bool)
    if relied.any() and not anew:
        sums, known = _remembered(manifest, names, stats, relied)
    from fedgroup.device import cores  # torch: who only reads run directories does without it

    todo = np.flatnonzero(~known & (stats[:, 0] >= 0)).tolist()
    with ThreadPoolExecutor(max_workers=cores()) as pool:
        for i, content in zip(todo, pool.map(_read, [root / names[i] for i in todo]), strict=True):
            sums[i] = np.frombuffer(content, np.uint8)
    if relied[todo].any():
        unsettled = stats[:, 1:3].max(1) + SETTLED > taken
        _remember(manifest, names, np.where(unsettled[:, None], np.array(ABSENT), stats), sums)
    return sums, len(todo)


def _stats(root: Path, names: Sequence[str]) -> Stats:
    def one(name: str) -> tuple[int, int, int, int]:
        try:
            found = os.stat(os.path.join(root, name))  # noqa: PTH116, PTH118 - 200,000 of them
        except OSError:
            return ABSENT
        inode = found.st_ino & (2**63 - 1)
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns, inode

    return np.array([one(name) for name in names], np.int64).reshape(-1, len(STAT))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()[:WIDTH]
    except OSError as error:
        raise FedgroupError(f"cannot read {path} ({error.strerror}): check its rights") from error


# --- the manifest ---------------------------------------------------------------------------------


def _manifest(root: Path, names: Sequence[str]) -> Path:
    key = hashlib.sha256("\n".join([str(root.resolve()), *names]).encode()).hexdigest()[:16]
    return cache_dir() / "manifests" / f"{key}.npz"


def _remembered(
    path: Path, names: Sequence[str], stats: Stats, relied: NDArray[np.bool_]
) -> tuple[Sums, NDArray[np.bool_]]:
    """Return the digests in a manifest, and which of them hold: the file looks as it did."""
    stored = load_cached(path, {"stats", "sums"})
    fits = stored is not None and stored["stats"].shape == stats.shape
    if stored is None or not fits or stored["sums"].shape != (len(names), WIDTH):
        return np.zeros((len(names), WIDTH), np.uint8), np.zeros(len(names), bool)
    holds = relied & (stored["stats"] == stats).all(1)
    return np.where(holds[:, None], stored["sums"], np.uint8(0)), holds


def _remember(path: Path, names: Sequence[str], stats: Stats, sums: Sums) -> None:
    """Write the manifest; where the cache cannot be written, files are read again next time."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_cached(path, {"stats": stats, "sums": sums})
    except (OSError, FedgroupError):
        return
