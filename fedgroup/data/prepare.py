"""Put a data set in place: download where a source works, decode once, and check what is there."""

from collections.abc import Callable, Mapping
from pathlib import Path

from fedgroup.data import fashion
from fedgroup.data.bank import Progress, no_progress
from fedgroup.data.celeba import COUNTS as CELEBA_COUNTS
from fedgroup.data.celeba import CelebA
from fedgroup.data.download import fetch, unpack
from fedgroup.data.fashion import Fashion
from fedgroup.data.files import Listing
from fedgroup.data.tables import counts
from fedgroup.data.waterbirds import COUNTS as WATERBIRDS_COUNTS
from fedgroup.data.waterbirds import FOLDERS, Waterbirds
from fedgroup.errors import FedgroupError, unknown
from fedgroup.paths import cache_dir

WATERBIRDS_TAR = "https://nlp.stanford.edu/data/dro/waterbird_complete95_forest2water2.tar.gz"
FASHION_BASE = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FASHION_MD5 = {
    "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
}
"""torchvision's source and checksums."""
CELEBA_STEPS = (
    "CelebA has no source that works without an account or a daily quota. Get img_align_celeba.zip and "
    "list_attr_celeba + list_eval_partition (.txt from the authors' drive, or .csv from Kaggle's "
    "jessicali9530/celeba-dataset), unpack all into one folder, and run: "
    "fedgroup data prepare celeba --root FOLDER"
)


def prepare(name: str, root: Path | None, progress: Progress = no_progress) -> None:
    """Download (where needed and possible) and decode a data set into its bank."""
    makers: dict[str, Callable[[Path | None, Progress], None]] = {
        "waterbirds": _waterbirds,
        "fashion": _fashion,
        "celeba": _celeba,
    }
    if name == "synthbirds":
        from fedgroup.data.synthbirds import Synthbirds

        Synthbirds().load()
        return
    if name not in makers:
        raise unknown("data set to prepare", name, [*makers, "synthbirds"])
    makers[name](root, progress)


def _text(root: Path | None) -> str:
    return str(root) if root is not None else ""


def _waterbirds(root: Path | None, progress: Progress) -> None:
    home = root or cache_dir()
    home.mkdir(parents=True, exist_ok=True)
    try:
        Waterbirds(str(home)).listing()
    except FedgroupError as absent:
        if "no metadata.csv" not in str(absent):
            raise
        archive = home / f"{FOLDERS[0]}.tar.gz"
        try:
            fetch(WATERBIRDS_TAR, archive, progress)
        except FedgroupError as error:
            raise FedgroupError(
                f"{error}. By hand: fetch {WATERBIRDS_TAR} elsewhere, unpack it, "
                f"and give its folder with --root"
            ) from error
        unpack(archive, home)
    Waterbirds(str(home)).load(progress)


def _fashion(root: Path | None, progress: Progress) -> None:
    try:
        fashion.find(_text(root))
    except FedgroupError:
        home = root or cache_dir() / "fashion"
        for name, md5 in FASHION_MD5.items():
            try:
                fetch(f"{FASHION_BASE}{name}.gz", home / f"{name}.gz", progress, md5)
            except FedgroupError as error:
                raise FedgroupError(
                    f"{error}. By hand: put the four Fashion-MNIST idx.gz files into {home}, or install "
                    f"Debian's dataset-fashion-mnist"
                ) from error
        root = home
    Fashion(_text(root)).load()


def _celeba(root: Path | None, progress: Progress) -> None:
    try:
        CelebA(_text(root)).load(progress)
    except FedgroupError as error:
        if "no attribute files" not in str(error):
            raise
        raise FedgroupError(f"{error}. {CELEBA_STEPS}") from error


def check(name: str, root: Path | None) -> list[str]:
    """Lines that say what a data set's files are: layout, group counts, missing pictures."""
    if name == "fashion":
        folder = fashion.find(_text(root))
        images, labels = fashion.read_garments(folder)
        return [
            f"fashion: {len(images)} garments in {folder}",
            f"{len(set(labels.tolist()))} kinds, all readable",
        ]
    if name == "waterbirds":
        return _report(name, Waterbirds(_text(root), allow_variant=True).listing(), WATERBIRDS_COUNTS)
    if name == "celeba":
        return _report(name, CelebA(_text(root), allow_variant=True).listing(), CELEBA_COUNTS)
    raise unknown("data set to check", name, ("fashion", "waterbirds", "celeba"))


def _report(name: str, listing: Listing, official: Mapping[str, tuple[int, ...]]) -> list[str]:
    found = counts(listing.group, listing.split, 4)
    lines = [f"{name}: {len(listing.paths)} images, {listing.dialect}, metadata {listing.key}"]
    for part, sizes in found.items():
        verdict = (
            "official" if sizes == official[part] else f"NOT official ({'/'.join(map(str, official[part]))})"
        )
        lines.append(f"  {part}: {'/'.join(map(str, sizes))} per group, {verdict}")
    missing = sum(not path.is_file() for path in listing.paths)
    lines.append(f"  {missing} images missing" if missing else "  all images are there")
    return lines
