"""synthbirds, the embedded data: bird shapes (the core feature) on land or water (the spurious).

Group counts are exactly those of Waterbirds (Sagawa et al., ICLR 2020), so the tension of the paper
appears without a download: 95 % of training birds are where one expects them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from fedgroup.data.drawn_birds import class_latents, render
from fedgroup.data.image_bank import has_bank, read_bank, write_bank
from fedgroup.dataset import GroupInfo, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.seeding import rng, torch_seed
from fedgroup.storage import cache_dir

COUNTS = {
    "train": (3498, 184, 56, 1057),
    "val": (467, 466, 133, 133),
    "test": (2255, 2255, 642, 642),
}
"""Samples per group g = 2y + a of each split."""
INFO = GroupInfo(
    name="synthbirds",
    classes=("land bird", "water bird"),
    groups=("land bird on land", "land bird on water", "water bird on land", "water bird on water"),
    tiers={"LRG-1": (2,), "LRG-2": (1,), "HRG": (0, 3)},
    mean=(0.431, 0.431, 0.431),
    std=(0.235, 0.235, 0.235),
)
GENERATOR_VERSION = 1
"""Raised when the same settings would give other pixels."""
SIZES = (32, 64)
CHUNK = 512
"""Pictures rendered together; each chunk has its own random address."""


@dataclass(frozen=True)
class Synthbirds:
    """Rendered land and water birds on land and water; needs no download."""

    picture_version: ClassVar[int] = GENERATOR_VERSION

    size: int = 32
    """Image size in pixels: 32 or 64."""
    seed: int = 0
    """Seed of the data set itself; the run's seed does not change the pictures."""

    def __post_init__(self) -> None:
        if self.size not in SIZES:
            raise FedgroupError(
                f"synthbirds comes in sizes {' and '.join(map(str, SIZES))}, not {self.size}"
            )
        if self.seed < 0:
            raise FedgroupError(f"the data seed must be at least 0, got {self.seed}")

    def load(self) -> Splits:
        """Map the bank, rendering it first where it is not cached (about 20 s on one core)."""
        folder = cache_dir() / f"synthbirds-{self.size}-s{self.seed}-v{GENERATOR_VERSION}"
        if not has_bank(folder):
            group, split = group_columns(self.seed, "synthbirds")
            write_bank(
                folder,
                self._render(group, split),
                size=(self.size, self.size),
                y=group // 2,
                group=group,
                split=split,
                info=INFO,
                source={"size": self.size, "seed": self.seed, "generator": GENERATOR_VERSION},
            )
        return read_bank(folder)

    def _render(self, group: Ints, split: Ints) -> Iterator[NDArray[np.uint8]]:
        for code, name in enumerate(COUNTS):
            members = torch.from_numpy(group[split == code])
            for number, start in enumerate(range(0, len(members), CHUNK)):
                part = members[start : start + CHUNK]
                generator = torch.Generator().manual_seed(
                    torch_seed(self.seed, "synthbirds", name, number)
                )
                latents = class_latents(generator, part // 2)
                yield render(generator, latents, part % 2 == 1, self.size).numpy()


def group_columns(seed: int, name: str) -> tuple[Ints, Ints]:
    """Return the group and the split (0, 1, 2) of every picture, (M,) int64 each.

    Groups are shuffled within each split, by the data set's seed and name.
    """
    groups = [
        rng(seed, name, split, "order").permutation(np.repeat(np.arange(4), counts))
        for split, counts in COUNTS.items()
    ]
    split = np.repeat(np.arange(3), [len(g) for g in groups])
    return np.concatenate(groups).astype(np.int64), split.astype(np.int64)
