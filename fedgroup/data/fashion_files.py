"""The four idx files of Fashion-MNIST: where they are, and what they hold."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedgroup.data.listing import data_folders
from fedgroup.data.metadata import file_hash
from fedgroup.errors import FedgroupError
from fedgroup.storage import cache_dir

FILES = {
    "train-images-idx3-ubyte": (2051, 60_000),
    "train-labels-idx1-ubyte": (2049, 60_000),
    "t10k-images-idx3-ubyte": (2051, 10_000),
    "t10k-labels-idx1-ubyte": (2049, 10_000),
}
"""The four files: magic number and number of items."""
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts the files."""


def find(root: str) -> Path:
    """Return the folder of the four files, at `root` or in one of the usual places."""
    if root:
        places = [Path(root).expanduser()]
    else:
        places = [*data_folders(), cache_dir() / "fashion", DEBIAN]
    candidates = [
        place / sub
        for place in places
        for sub in ("", "FashionMNIST/raw", "fashion", "fashion-mnist")
    ]
    partial = None
    for folder in candidates:
        there = [name for name in FILES if _file(folder, name)]
        if len(there) == len(FILES):
            return folder
        if there:
            partial = f"{folder} lacks {', '.join(sorted(set(FILES) - set(there)))}"
    looked = partial or f"looked in {', '.join(str(place) for place in places)}"
    raise FedgroupError(
        f"no Fashion-MNIST files found ({looked}): run `fedgroup data prepare fashion`, install "
        f"Debian's dataset-fashion-mnist, or give the folder of the four idx files with --root"
    )


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)


def files_in(folder: Path) -> list[Path]:
    """Return those of the four files that a folder holds."""
    return [path for name in FILES if (path := _file(folder, name))]


def content_hash(folder: Path) -> str:
    """Return the hash of the four files: equal ones anywhere share a bank, changed ones do not."""
    try:
        return file_hash(*files_in(folder))
    except OSError as error:
        raise FedgroupError(
            f"the files in {folder} cannot be read ({error}): check their rights"
        ) from error


def read_idx(path: Path, magic: int, items: int | None) -> NDArray[np.uint8]:
    """Read an idx file of bytes, .gz or not.

    Args:
        path: The file.
        magic: Its magic number, whose last byte is the number of dimensions.
        items: Its first dimension; None for any.

    Returns:
        The array in its file's shape.

    Raises:
        FedgroupError: The file is damaged, of another kind or of another length.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise FedgroupError(f"{path} is damaged or truncated ({error}): fetch it again") from error
    start = int.from_bytes(data[:4], "big") if len(data) >= 4 else -1
    if start != magic:
        raise FedgroupError(
            f"{path} starts with {start}, an idx file of this kind with {magic}: wrong file?"
        )
    dims = magic & 0xFF
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(dims)]
    body = data[4 + 4 * dims :]
    if len(body) != math.prod(shape):
        raise FedgroupError(
            f"{path} announces {shape} bytes but holds {len(body)}: it is truncated, fetch it again"
        )
    if items is not None and shape[0] != items:
        raise FedgroupError(f"{path} holds {shape[0]} items, Fashion-MNIST has {items}")
    return np.frombuffer(body, np.uint8).reshape(shape)


def read_garments(
    folder: Path, counted: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Read all images (N, 28, 28) and labels (N,) of both parts.

    `counted` says whether the files must hold as many as Fashion-MNIST's.
    """
    parts = {}
    for name, (magic, items) in FILES.items():
        path = _file(folder, name)
        if path is None:
            raise FedgroupError(f"{folder / name}.gz is missing")
        parts[name] = read_idx(path, magic, items if counted else None)
    train, train_y, test, test_y = parts.values()
    for images, labels in ((train, train_y), (test, test_y)):
        if images.shape[1:] != (28, 28) or len(images) != len(labels):
            raise FedgroupError(
                f"{folder}: images {images.shape} do not match labels {labels.shape}"
            )
        if len(labels) and labels.max() > 9:
            raise FedgroupError(
                f"{folder}: label {labels.max()} is none of 0..9: fetch the files again"
            )
    return np.concatenate([train, test]), np.concatenate([train_y, test_y])
