"""A bank on disk: every image decoded once into one uint8 array that all processes map.

Layout of a bank folder: `pixels.npy` (M, H, W, 3) uint8, `columns.npz` (y, group, split; (M,) int64),
`info.json` (the GroupInfo and where the bank came from). The folder is written beside its final
place and renamed last, so a bank either exists whole or not at all.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fedgroup.dataset import GroupedDataset, GroupInfo, Ints, Splits
from fedgroup.errors import FedgroupError

Progress = Callable[[str, int, int], None]
"""Called as progress(label, done, total) while something long is made."""

FORMAT = 1


def no_progress(label: str, done: int, total: int) -> None:
    """Ignore progress (the default of every long step)."""


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
    """Write a bank at `folder`, replacing one that is there.

    Args:
        folder: final place of the bank.
        images: M images (H, W, 3) uint8, or blocks (B, H, W, 3), in column order.
        size: H and W.
        y, group, split: (M,) int64; split is 0 train, 1 val, 2 test.
        info: names, tiers, normalisation; `train_counts` is filled in from the columns.
        source: free provenance (paths, hashes, settings), stored in info.json.
    """
    total = len(y)
    counts = np.bincount(group[split == 0], minlength=len(info.groups))
    info = replace(info, train_counts=tuple(int(c) for c in counts))
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        pixels = np.lib.format.open_memmap(
            work / "pixels.npy", mode="w+", dtype=np.uint8, shape=(total, *size, 3)
        )
        done = 0
        for block in images:
            block = block if block.ndim == 4 else block[None]
            pixels[done : done + len(block)] = block
            done += len(block)
            progress(f"decoding {info.name}", done, total)
        if done != total:
            raise FedgroupError(f"{info.name}: {done} images for {total} rows of columns")
        pixels.flush()
        del pixels
        np.savez(work / "columns.npz", y=y, group=group, split=split)
        (work / "info.json").write_text(
            json.dumps({"format": FORMAT, "info": asdict(info), "source": source}, indent=1)
        )
        if folder.exists():
            shutil.rmtree(folder)
        try:
            work.replace(folder)
        except OSError:
            # another process finished the same bank first: its content is ours
            if not (folder / "info.json").exists():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


def has_bank(folder: Path) -> bool:
    """True where a whole bank of this format is stored."""
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
