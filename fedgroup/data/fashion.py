"""fashion: real garments of Fashion-MNIST (Xiao et al., arXiv:1708.07747) on land and water scenes.

The garment is the core feature, the scene the spurious one; group counts are Waterbirds'. Class 0
is a T-shirt or a pullover, class 1 trousers: of the pairs tried (coats, boots, dresses, bags,
trousers) the one that the small model learns within a few epochs where it is rare, so that WGA has
room to fall.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgroup.data.drawn_scenes import backgrounds, chance, colour, finish, uniform
from fedgroup.data.fashion_files import content_hash, files_in, find, read_garments
from fedgroup.data.image_bank import has_bank, read_bank, write_bank
from fedgroup.data.synthbirds import CHUNK, SIZES, group_columns
from fedgroup.dataset import GroupInfo, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.seeding import rng, torch_seed
from fedgroup.storage import cache_dir

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
"""Raised when the same files and settings would give other pixels."""


@dataclass(frozen=True)
class Fashion:
    """Real Fashion-MNIST garments painted on land and water scenes."""

    place_settings: ClassVar[tuple[str, ...]] = ("root",)
    picture_version: ClassVar[int] = GENERATOR_VERSION

    root: str = ""
    """Folder of the four idx files (.gz or not), or torchvision's root; default: the usual
    places."""
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

    def files(self) -> list[Path]:
        """Return the four files of the garments."""
        return files_in(find(self.root))

    def load(self) -> Splits:
        """Map the bank, painting it first where it is not cached."""
        source = find(self.root)
        name = f"fashion-{self.size}-s{self.seed}-v{GENERATOR_VERSION}-{content_hash(source)}"
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
        """Yield the pictures in blocks, each with its own random address."""
        for number, start in enumerate(range(0, len(chosen), CHUNK)):
            part = slice(start, start + CHUNK)
            generator = torch.Generator().manual_seed(torch_seed(self.seed, "fashion", number))
            garments = torch.from_numpy(images[chosen[part]])
            water = torch.from_numpy(group[part] % 2 == 1)
            yield dress(generator, garments, water, self.size).numpy()


def choose(labels: NDArray[np.uint8], y: Ints, seed: int) -> Ints:
    """Choose a different garment of the right class for every sample.

    Args:
        labels: Fashion-MNIST labels of the images, (N,).
        y: Class of every sample, (M,).
        seed: Seed of the draw.

    Returns:
        Positions into the images, (M,).

    Raises:
        FedgroupError: There are fewer garments of a class than samples.
    """
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
    """Paint garments on scenes.

    Args:
        generator: Generator of all draws.
        garments: (n, 28, 28) uint8.
        water: Whether the scene is water, else land, (n,) bool.
        size: S, in pixels.

    Returns:
        (n, S, S, 3) uint8.
    """
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
