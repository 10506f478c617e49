"""A bank on disk: every image decoded once into one uint8 array that all processes map.

Layout of a bank folder: `pixels.npy` (M, H, W, 3) uint8, `columns.npz` (y, group, split; (M,)
int64), `info.json` (the GroupInfo and where the bank came from). The folder is written beside its
final place and renamed last, so a bank either exists whole or not at all.
"""

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fedgroup.dataset import GroupedDataset, GroupInfo, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.host.sharing import make_folder, share, why

Progress = Callable[[str, int, int], None]
"""Called as progress(label, done, total) while something long is made."""

FORMAT = 1
"""Raised when the layout of a bank folder changes."""


def no_progress(label: str, done: int, total: int) -> None:
    """Ignore progress: the default of every long step.

    Args:
        label: What is made.
        done: How much of it is done.
        total: How much there is.
    """


def write_bank(
    folder: Path,
    images: Iterable[NDArray[np.uint8]],
    *,
    size: tuple[int, int],
    y: Ints,
    group: Ints,
    split: Ints,
    info: GroupInfo,
    source: dict[str, object],
    progress: Progress = no_progress,
) -> None:
    """Write a bank, replacing one that is there.

    Args:
        folder: Final place of the bank.
        images: M images (H, W, 3) uint8, or blocks (B, H, W, 3), in the order of the columns.
        size: H and W.
        y: Class of each image, (M,) int64.
        group: Group of each image, (M,) int64.
        split: Split of each image, (M,) int64: 0 train, 1 val, 2 test.
        info: Names, tiers, normalisation; `train_counts` is filled in from the columns.
        source: Where the images come from (paths, hashes, settings), stored in info.json.
        progress: Called as images are written.

    Raises:
        FedgroupError: There are not M images.
    """
    counts = np.bincount(group[split == 0], minlength=len(info.groups))
    info = replace(info, train_counts=tuple(int(c) for c in counts))
    try:
        work = _work_folder(folder)
    except OSError as error:
        raise FedgroupError(
            f"cannot write the images to {folder.parent} ({why(error)}): "
            f"set FEDGROUP_CACHE to a writable folder"
        ) from error
    try:
        _write_pixels(work / "pixels.npy", images, (len(y), *size), info.name, progress)
        np.savez(work / "columns.npz", y=y, group=group, split=split)
        (work / "info.json").write_text(
            json.dumps({"format": FORMAT, "info": asdict(info), "source": source}, indent=1)
        )
        for file in work.iterdir():
            share(file)
        _move(work, folder)
    except OSError as error:
        raise FedgroupError(
            f"cannot write the images to {folder} ({why(error)}): set FEDGROUP_CACHE elsewhere"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _work_folder(folder: Path) -> Path:
    """Make a folder beside `folder`, of this call alone, with the rights that users expect."""
    make_folder(folder.parent)
    work = folder.with_name(f".{folder.name}.{os.getpid()}.{secrets.token_hex(4)}")
    work.mkdir()  # not mkdtemp, whose folders nobody else may read
    share(work)
    return work


def _write_pixels(
    path: Path,
    images: Iterable[NDArray[np.uint8]],
    shape: tuple[int, int, int],
    name: str,
    progress: Progress,
) -> None:
    """Write M images, or blocks of them, into one array; `shape` is M, H and W."""
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(*shape, 3))
    done, total = 0, shape[0]
    for block in images:
        block = block if block.ndim == 4 else block[None]
        pixels[done : done + len(block)] = block
        done += len(block)
        progress(f"decoding {name}", done, total)
    if done != total:
        raise FedgroupError(f"{name}: {done} images for {total} rows of columns")
    pixels.flush()


def _move(work: Path, folder: Path) -> None:
    """Put a finished bank in its final place."""
    if folder.exists():
        shutil.rmtree(folder)
    try:
        work.replace(folder)
    except OSError:
        # another process finished the same bank first: its content is ours
        if not (folder / "info.json").exists():
            raise


def has_bank(folder: Path) -> bool:
    """Return whether a whole bank of this format is stored."""
    try:
        return bool(json.loads((folder / "info.json").read_text())["format"] == FORMAT)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read_bank(folder: Path) -> Splits:
    """Map the bank at `folder`; the three splits share its pixels."""
    try:
        stored = json.loads((folder / "info.json").read_text())["info"]
        columns = np.load(folder / "columns.npz")
        # copy-on-write mapping: writable for torch's sake, never written back
        pixels = torch.from_numpy(np.load(folder / "pixels.npy", mmap_mode="c"))
    except (OSError, ValueError, KeyError) as error:
        raise FedgroupError(
            f"the image bank at {folder} cannot be read ({error}); delete the folder to rebuild it"
        ) from error
    info = GroupInfo(
        name=stored["name"],
        classes=tuple(stored["classes"]),
        groups=tuple(stored["groups"]),
        tiers={name: tuple(groups) for name, groups in stored["tiers"].items()},
        mean=tuple(stored["mean"]),
        std=tuple(stored["std"]),
        train_counts=tuple(stored["train_counts"]),
    )
    parts = []
    for code in range(3):
        row = np.flatnonzero(columns["split"] == code)
        parts.append(
            GroupedDataset.clean(pixels, row, columns["y"][row], columns["group"][row], info)
        )
    return Splits(*parts)
