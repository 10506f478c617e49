"""Put a data set in place: download where a source works, decode once, and check what is there."""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from fedgroup.data import fashion_files
from fedgroup.data.celeba import COUNTS as CELEBA_COUNTS
from fedgroup.data.celeba import CelebA
from fedgroup.data.content_check import content_lines
from fedgroup.data.fashion import Fashion
from fedgroup.data.folder import Folder
from fedgroup.data.image_bank import Progress, no_progress
from fedgroup.data.listing import Listing
from fedgroup.data.metadata import counts
from fedgroup.data.resumable_download import fetch, unpack
from fedgroup.data.waterbirds import COUNTS as WATERBIRDS_COUNTS
from fedgroup.data.waterbirds import FOLDERS, VARIANTS, Waterbirds
from fedgroup.errors import FedgroupError, unknown
from fedgroup.storage import cache_dir

WATERBIRDS_TAR = "https://nlp.stanford.edu/data/dro/waterbird_complete95_forest2water2.tar.gz"
FASHION_BASE = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FASHION_MD5 = {
    "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
}
"""torchvision's source and checksums."""
KNOWN_MD5 = {
    "7a8f1a6063bec1872361c0846b458cae": "the Waterbirds copy with the official counts",
    "06368e8e80f77e36c3f80d37efc0b7ae": "the regenerated Waterbirds copy",
    "75e246fa4810816ffd6ee81facbd244c": "CelebA's original attributes",
    "d32c9cbf5e040fd4025c592c306e6668": "CelebA's original splits",
    "00c23c66030507f124174c2b3a110840": "Kaggle's CelebA splits",
    "c980a4da87d7331de00db75565730870": "Kaggle's CelebA splits, CRLF",
}
"""Metadata files seen before. A hint only: the group counts decide."""
CELEBA_STEPS = (
    "CelebA has no source that works without an account or a daily quota. "
    "Get img_align_celeba.zip and "
    "list_attr_celeba + list_eval_partition (.txt from the authors' drive, or .csv from Kaggle's "
    "jessicali9530/celeba-dataset), unpack all into one folder, and run: "
    "fedgroup data prepare celeba --root FOLDER"
)


def prepare(name: str, root: Path | None, progress: Progress = no_progress) -> None:
    """Download a data set (where needed and possible) and decode it into its bank.

    Args:
        name: Short name of the data set.
        root: Folder of its files; by default the usual places, downloads go into the cache.
        progress: Called as files are fetched and pictures decoded.

    Raises:
        FedgroupError: There is no such data set, or its files cannot be had.
    """
    steps: dict[str, Callable[[Path | None, Progress], None]] = {
        "waterbirds": _waterbirds,
        "fashion": _fashion,
        "celeba": _celeba,
    }
    if name == "synthbirds":
        from fedgroup.data.synthbirds import Synthbirds

        Synthbirds().load()
        return
    if name not in steps:
        raise unknown("data set to prepare", name, [*steps, "synthbirds"])
    steps[name](root, progress)


def _text(root: Path | None) -> str:
    return str(root) if root is not None else ""


def _waterbirds(root: Path | None, progress: Progress) -> None:
    if root is not None:
        root = root.expanduser()
        _make_folder(root)
    data = Waterbirds(_text(root))
    try:
        data.listing()
    except FedgroupError as error:
        if "no metadata.csv" not in str(error):
            raise
        home = root or cache_dir()
        archive = home / f"{FOLDERS[0]}.tar.gz"
        by_hand = f"fetch {WATERBIRDS_TAR} elsewhere, unpack it, and give its folder with --root"
        _fetch(WATERBIRDS_TAR, archive, progress, by_hand)
        _unpack(archive, home)
    data.load(progress)


def _fashion(root: Path | None, progress: Progress) -> None:
    try:
        fashion_files.find(_text(root))
    except FedgroupError:
        root = root.expanduser() if root is not None else cache_dir() / "fashion"
        by_hand = (
            f"put the four Fashion-MNIST idx.gz files into {root}, "
            f"or install Debian's dataset-fashion-mnist"
        )
        for name, md5 in FASHION_MD5.items():
            _fetch(f"{FASHION_BASE}{name}.gz", root / f"{name}.gz", progress, by_hand, md5)
    Fashion(_text(root)).load()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FedgroupError(
            f"cannot make the folder {folder} ({error.strerror}): give another one"
        ) from error


def _fetch(
    url: str, target: Path, progress: Progress, by_hand: str, md5: str | None = None
) -> None:
    """Download, and on failure say how to do it by hand."""
    try:
        _make_folder(target.parent)
        fetch(url, target, progress, md5)
    except FedgroupError as error:
        raise FedgroupError(f"{error}. By hand: {by_hand}") from error


def _unpack(archive: Path, home: Path) -> None:
    """Unpack into `home`, all or nothing: half a data set would pass for a whole one later."""
    staging = home / ".unpacking"
    shutil.rmtree(staging, ignore_errors=True)
    try:
        _make_folder(staging)
        unpack(archive, staging)
        for path in sorted(staging.iterdir()):
            target = home / path.name
            if target.exists():
                raise FedgroupError(f"{target} is in the way of {archive.name}: move it, run again")
            path.replace(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _celeba(root: Path | None, progress: Progress) -> None:
    try:
        CelebA(_text(root)).load(progress)
    except FedgroupError as error:
        if not any(words in str(error) for words in ("no attribute files", "no folder at")):
            raise
        raise FedgroupError(f"{error}. {CELEBA_STEPS}") from error


def check(name: str, root: Path | None) -> list[str]:
    """Return lines on a data set's files: layout, hashes, group counts, missing pictures."""
    if name == "fashion":
        folder = fashion_files.find(_text(root))
        images, labels = fashion_files.read_garments(folder)
        return [
            f"fashion: {len(images)} garments in {folder}",
            f"{len(set(labels.tolist()))} kinds, all readable",
            *content_lines(Fashion(_text(root))),
        ]
    if name == "folder":
        own = Folder(_text(root))
        listing, info = own.listing()
        groups = counts(listing.group, listing.split, len(info.groups))
        return [
            f"{info.name}: {len(listing.paths)} images, {listing.dialect}",
            *(f"  {part}: {'/'.join(map(str, sizes))} per group" for part, sizes in groups.items()),
            _missing(listing),
            *content_lines(own),
        ]
    if name == "waterbirds":
        birds = Waterbirds(_text(root), allow_variant=True)
        lines = _report(name, birds.listing(), WATERBIRDS_COUNTS, VARIANTS)
        return [*lines, *content_lines(birds)]
    if name == "celeba":
        faces = CelebA(_text(root), allow_variant=True)
        return [*_report(name, faces.listing(), CELEBA_COUNTS, {}), *content_lines(faces)]
    raise unknown("data set to check", name, ("fashion", "waterbirds", "celeba", "folder"))


def _report(
    name: str,
    listing: Listing,
    official: Mapping[str, tuple[int, ...]],
    variants: Mapping[str, Mapping[str, tuple[int, ...]]],
) -> list[str]:
    actual = counts(listing.group, listing.split, 4)
    lines = [f"{name}: {len(listing.paths)} images, {listing.dialect}"]
    for path in listing.metadata:
        with path.open("rb") as file:
            md5 = hashlib.file_digest(file, "md5").hexdigest()
        lines.append(f"  {path.name}: md5 {md5}, {KNOWN_MD5.get(md5, 'not a copy seen before')}")
    for part, sizes in actual.items():
        verdict = (
            "official"
            if sizes == official[part]
            else f"NOT official ({'/'.join(map(str, official[part]))})"
        )
        lines.append(f"  {part}: {'/'.join(map(str, sizes))} per group, {verdict}")
    lines += [
        f"  these are the counts of {why}"
        for why, counted in variants.items()
        if dict(counted) == actual
    ]
    return [*lines, _missing(listing)]


def _missing(listing: Listing) -> str:
    missing = [path for path in listing.paths if not path.is_file()]
    few = ", ".join(str(path) for path in missing[:3])
    return f"  {len(missing)} images missing, e.g. {few}" if missing else "  all images are there"
