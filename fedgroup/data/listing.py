"""What every data set of picture files shares: where to look, and one decoded bank."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedgroup.data.decoding import Transform, decode_all, require_files
from fedgroup.data.image_bank import Progress, has_bank, no_progress, read_bank, write_bank
from fedgroup.dataset import GroupInfo, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.host.file_names import file_name
from fedgroup.identity.data_files import files_of
from fedgroup.identity.file_contents import digest_files
from fedgroup.storage import cache_dir

DECODER_VERSION = 2
"""Raised when the same files would give other pixels."""


@dataclass(frozen=True)
class Listing:
    """A data set's M samples before any picture is decoded."""

    paths: list[Path]
    """Picture of each sample."""
    y: Ints
    """Class of each sample, (M,)."""
    group: Ints
    """Group of each sample, (M,)."""
    split: Ints
    """Split of each sample, (M,): 0 train, 1 val, 2 test."""
    dialect: str
    """Which on-disk layout was recognised."""
    metadata: list[Path]
    """The files that list the samples."""

    def files(self) -> list[Path]:
        """Return every file that the samples come from."""
        return [*self.metadata, *self.paths]

    def take(self, positions: Ints) -> "Listing":
        """Return the samples at `positions`."""
        return Listing(
            [self.paths[i] for i in positions],
            self.y[positions],
            self.group[positions],
            self.split[positions],
            self.dialect,
            self.metadata,
        )


def places(root: str, name: str) -> list[Path]:
    """Return the folders to look in: `root` alone, or $FEDGROUP_DATA, ./data and the cache."""
    if root:
        path = Path(root).expanduser()
        if not path.is_dir():
            raise FedgroupError(
                f"{name}: no folder at {path}: give the folder of its files with --root"
            )
        return [path]
    return [*data_folders(), cache_dir()]


def data_folders() -> list[Path]:
    """Return the folders of downloaded data: $FEDGROUP_DATA if it is set, and ./data."""
    folder = os.environ.get("FEDGROUP_DATA")
    return [*([Path(folder).expanduser()] if folder else []), Path("data")]


def load_bank(
    listing: Listing,
    info: GroupInfo,
    size: int,
    transform: Transform,
    tag: str,
    progress: Progress = no_progress,
) -> Splits:
    """Map the bank of a listing, decoding it first where it is not cached.

    Args:
        listing: The samples.
        info: Names, tiers and normalisation.
        size: Side of the decoded images in pixels.
        transform: What is done to each picture.
        tag: Part of the bank's name: which samples, and how they are decoded.
        progress: Called as pictures are decoded.

    Returns:
        The three splits over the mapped bank.
    """
    content = digest_files(*files_of(listing))
    folder = cache_dir() / f"{file_name(info.name)}-{size}-{tag}-v{DECODER_VERSION}-{content}"
    if not has_bank(folder):
        require_files(listing.paths, info.name)
        write_bank(
            folder,
            decode_all(listing.paths, transform),
            size=(size, size),
            y=listing.y,
            group=listing.group,
            split=listing.split,
            info=info,
            source={
                "dialect": listing.dialect,
                "content": content,
                "first": str(listing.paths[0]),
            },
            progress=progress,
        )
    return read_bank(folder)


def check_size(name: str, size: int) -> None:
    """Refuse an image size that no model takes."""
    if not 8 <= size <= 512:
        raise FedgroupError(f"{name}: size must lie in 8..512 pixels, got {size}")


def subfolders(folder: Path, names: Sequence[str]) -> list[Path]:
    """Return the folder itself, its named subfolders, then its other subfolders."""
    if not folder.is_dir():
        return []
    children = sorted(child for child in folder.iterdir() if child.is_dir())
    named = [folder / name for name in names if (folder / name).is_dir()]
    return [folder, *named, *(child for child in children if child not in named)]
