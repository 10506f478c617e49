"""fashion: real garments of Fashion-MNIST (Xiao et al., 2017) on the land and water scenes.

The garment is the core feature, the scene the spurious one; group counts are Waterbirds'. Class 0 is a
T-shirt or a pullover, class 1 trousers: of the pairs tried (coats, boots, dresses, bags, trousers), the one
that the small model learns within a few epochs where it is rare, so that WGA has room to fall.
"""

import gzip
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgroup.data.drawn_scenes import backgrounds, chance, colour, finish, uniform
from fedgroup.data.image_bank import has_bank, read_bank, write_bank
from fedgroup.data.metadata import file_hash
from fedgroup.data.synthbirds import CHUNK, SIZES, group_columns
from fedgroup.dataset import GroupInfo, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.paths import cache_dir
from fedgroup.seeding import rng, torch_seed

FILES = {
    "train-images-idx3-ubyte": (2051, 60_000),
    "train-labels-idx1-ubyte": (2049, 60_000),
    "t10k-images-idx3-ubyte": (2051, 10_000),
    "t10k-labels-idx1-ubyte": (2049, 10_000),
}
"""The four files: magic number and number of items."""
GARMENTS = ((0, 2), (1,))
"""Fashion-MNIST labels of class 0 (T-shirt, pullover) and class 1 (trousers)."""
INFO = GroupInfo(
    name="fashion",
    classes=("top", "trousers"),
    groups=("top on land", "top on water", "trousers on land", "trousers on water"),
    tiers={"LRG-1": (2,), "LRG-2": (1,), "HRG": (0, 3)},
    mean=(0.431, 0.431, 0.431),
    std=(0.235, 0.235, 0.235),
)
GENERATOR_VERSION = 1
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts the files."""


@dataclass(frozen=True)
class Fashion:
    """Real Fashion-MNIST garments painted on land and water scenes."""

    root: str = ""
    """Folder of the four idx files (.gz or not), or torchvision's root; default: the usual places."""
    size: int = 32
    """Image size in pixels: 32 or 64."""
    seed: int = 0
    """Seed of the data set itself; the run's seed does not change the pictures."""

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise FedgroupError(
                f"fashion comes in sizes {' and '.join(map(str, SIZES))}, not {self.size}"
            )
        if self.seed < 0:
            raise FedgroupError(f"the data seed must be at least 0, got {self.seed}")

    def load(self) -> Splits:
        """Map the bank, painting it first where it is not cached."""
        source = find(self.root)
        name = f"fashion-{self.size}-s{self.seed}-v{GENERATOR_VERSION}-{_fingerprint(source)}"
        folder = cache_dir() / name
        if not has_bank(folder):
            images, labels = read_garments(source)
            group, split = group_columns(self.seed, "fashion")
            chosen = choose(labels, group // 2, self.seed)
            write_bank(
                folder,
                self._paint(images, chosen, group),
                size=(self.size, self.size),
                y=group // 2,
                group=group,
                split=split,
                info=INFO,
                source={"files": str(source), "size": self.size, "seed": self.seed},
            )
        return read_bank(folder)

    def _paint(
        self, images: NDArray[np.uint8], chosen: Ints, group: Ints
    ) -> Iterator[NDArray[np.uint8]]:
        for number, start in enumerate(range(0, len(chosen), CHUNK)):
            part = slice(start, start + CHUNK)
            generator = torch.Generator().manual_seed(torch_seed(self.seed, "fashion", number))
            garments = torch.from_numpy(images[chosen[part]])
            water = torch.from_numpy(group[part] % 2 == 1)
            yield dress(generator, garments, water, self.size).numpy()


def find(root: str) -> Path:
    """Folder that holds the four files, for `root` or among the usual places."""
    if root:
        places = [Path(root).expanduser()]
    else:
        given = os.environ.get("FEDGROUP_DATA")
        places = [Path(given).expanduser()] if given else []
        places += [Path("data"), cache_dir() / "fashion", DEBIAN]
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
        f"no Fashion-MNIST files found ({looked}): run `fedgroup data prepare fashion`, install Debian's "
        f"dataset-fashion-mnist, or give the folder of the four idx files with --root"
    )


def _file(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)


def _fingerprint(folder: Path) -> str:
    """Hash of the four files' content: the same files anywhere share a bank, changed ones never do."""
    paths = [path for name in FILES if (path := _file(folder, name))]
    try:
        return file_hash(*paths)
    except OSError as error:
        raise FedgroupError(
            f"the files in {folder} cannot be read ({error}): check their rights"
        ) from error


def read_idx(path: Path, magic: int, items: int | None) -> NDArray[np.uint8]:
    """Read an idx file of bytes (.gz or not); checks the magic number and the number of items."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise FedgroupError(f"{path} is damaged or truncated ({error}): fetch it again") from error
    found = int.from_bytes(data[:4], "big") if len(data) >= 4 else -1
    if found != magic:
        raise FedgroupError(
            f"{path} starts with {found}, an idx file of this kind with {magic}: wrong file?"
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
    """All images (N, 28, 28) and labels (N,) of both parts."""
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


def choose(labels: NDArray[np.uint8], y: Ints, seed: int) -> Ints:
    """Pick a different garment of the right class for every sample, (M,) positions into the images."""
    chosen = np.empty(len(y), np.int64)
    for value, kinds in enumerate(GARMENTS):
        pool = np.flatnonzero(np.isin(labels, kinds))
        wanted = np.flatnonzero(y == value)
        if len(pool) < len(wanted):
            raise FedgroupError(
                f"fashion needs {len(wanted)} garments of class {INFO.classes[value]}, "
                f"the files hold {len(pool)}"
            )
        chosen[wanted] = rng(seed, "fashion", "pool", value).permutation(pool)[: len(wanted)]
    return chosen


def dress(generator: torch.Generator, garments: Tensor, water: Tensor, size: int) -> Tensor:
    """Paint garments (n, 28, 28) uint8 on scenes; returns (n, S, S, 3) uint8."""
    n = len(garments)
    image = backgrounds(generator, water, size)
    mirror = chance(generator, n, 0.5).to(torch.float32) * 2 - 1
    zoom = uniform(generator, n, 1.05, 1.35)  # garment grid per picture: above 1 leaves a margin
    place = torch.zeros(n, 2, 3)
    place[:, 0, 0], place[:, 1, 1] = zoom * mirror, zoom
    place[:, 0, 2], place[:, 1, 2] = (
        uniform(generator, n, -0.15, 0.15),
        uniform(generator, n, -0.15, 0.15),
    )
    where = torch.nn.functional.affine_grid(place, [n, 1, size, size], align_corners=False)
    grey = torch.nn.functional.grid_sample(
        garments[:, None].to(torch.float32) / 255, where, align_corners=False
    )
    cover = (grey * 6).clamp(0, 1)
    dye = colour(
        uniform(generator, n, 0, 1), uniform(generator, n, 0, 0.6), uniform(generator, n, 0.5, 1)
    )
    image = image * (1 - cover) + cover * dye[:, :, None, None] * (0.25 + 0.75 * grey)
    return finish(generator, image, 0.04)
