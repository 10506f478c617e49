"""Waterbirds (Sagawa et al., ICLR 2020): CUB birds on Places backgrounds, from the official files.

y: 0 land bird, 1 water bird; place: 0 land, 1 water; group g = 2y + place. The group counts are the
checksum: a regenerated metadata.csv with the same header circulates and is refused.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from fedgroup.data.decoding import squash_and_crop
from fedgroup.data.image_bank import Progress, no_progress
from fedgroup.data.listing import (
    DECODER_VERSION,
    Listing,
    check_size,
    load_bank,
    places,
    subfolders,
)
from fedgroup.data.metadata import (
    check_counts,
    counts,
    integers,
    need,
    splits,
    unique,
)
from fedgroup.data.metadata_text import first_line, read_csv
from fedgroup.dataset import GroupInfo, Splits
from fedgroup.errors import FedgroupError

INFO = GroupInfo(
    name="waterbirds",
    classes=("land bird", "water bird"),
    groups=("land bird on land", "land bird on water", "water bird on land", "water bird on water"),
    tiers={"LRG-1": (2,), "LRG-2": (1,), "HRG": (0, 3)},
)
COUNTS = {
    "train": (3498, 184, 56, 1057),
    "val": (467, 466, 133, 133),
    "test": (2255, 2255, 642, 642),
}
REGENERATED = {
    "train": (3525, 186, 54, 1030),
    "val": (452, 452, 147, 148),
    "test": (2255, 2255, 642, 642),
}
VARIANTS = {"a regenerated metadata.csv that circulates under the official name": REGENERATED}
FOLDERS = (
    "waterbird_complete95_forest2water2",
    "waterbirds_v1.0",
    "waterbirds",
    "waterbirds/waterbird_complete95_forest2water2",
    "waterbirds/waterbirds_v1.0",
)
COLUMNS = ("img_id", "img_filename", "y", "split", "place")


@dataclass(frozen=True)
class Waterbirds:
    """Birds on land and water, 4,795 for training; official files needed."""

    place_settings: ClassVar[tuple[str, ...]] = ("root",)
    picture_version: ClassVar[int] = DECODER_VERSION

    root: str = ""
    """Folder of the files, or its parent; default: $FEDGROUP_DATA, ./data, the cache."""
    size: int = 224
    """Image size; 224 is the papers' (squash to 256, crop 224), others keep that proportion."""
    allow_variant: bool = False
    """Accept files whose group counts are not the official ones."""

    def __post_init__(self) -> None:
        check_size("waterbirds", self.size)

    def listing(self) -> Listing:
        """Read and check the metadata; open no picture."""
        path = self._find()
        columns = read_csv(path)
        need(columns, COLUMNS, path)
        unique(columns, "img_filename", path)
        y = integers(columns, "y", (0, 1), path)
        place = integers(columns, "place", (0, 1), path)
        split = splits(columns, "split", path)
        group = 2 * y + place
        check_counts("waterbirds", counts(group, split, 4), COUNTS, VARIANTS, self.allow_variant)
        paths = [path.parent / name for name in columns["img_filename"]]
        return Listing(paths, y, group, split, f"metadata.csv in {path.parent}", [path])

    def files(self) -> list[Path]:
        """Return the metadata and every picture that it lists."""
        return self.listing().files()

    def load(self, progress: Progress = no_progress) -> Splits:
        """Map the bank, decoding it first where it is not cached."""
        return load_bank(
            self.listing(), INFO, self.size, squash_and_crop(self.size), "all", progress
        )

    def _find(self) -> Path:
        looked = places(self.root, "waterbirds")
        candidates = [
            folder / "metadata.csv"
            for place in looked
            for folder in subfolders(place, FOLDERS)
            if (folder / "metadata.csv").is_file()
        ]
        for path in candidates:
            if _is_waterbirds(path):
                return path
        if self.root and candidates:
            return candidates[0]  # named by the user: reading it says what is wrong with it
        raise FedgroupError(
            f"waterbirds: no metadata.csv in {', '.join(str(p) for p in looked)} or their "
            f"subfolders: run `fedgroup data prepare waterbirds`, or give the folder with "
            f"--data waterbirds --root"
        )


def _is_waterbirds(path: Path) -> bool:
    return "img_filename" in first_line(path)
