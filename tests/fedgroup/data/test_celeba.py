import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from fedgroup.data.celeba import COUNTS, CelebA
from fedgroup.data.prepare import KNOWN_MD5
from fedgroup.errors import FedgroupError
from tests.fedgroup.data import fixtures
from tests.paths import CASES

DIALECTS = ("official", "kaggle", "george", "jtt", "subpop")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_same_samples(dialect: str, tmp_path: Path) -> None:
    fixtures.celeba(tmp_path / "celeba", dialect)
    listing = CelebA(str(tmp_path), allow_variant=True).listing()
    assert [p.name for p in listing.paths] == [f"{n + 1:06d}.jpg" for n in range(24)]
    assert all(p.is_file() for p in listing.paths)
    assert listing.group.tolist() == [n % 4 for n in range(24)]
    assert listing.split.tolist() == [(n // 4) % 3 for n in range(24)]


def test_every_pixel_is_that_of_the_official_transform(tmp_path: Path) -> None:
    fixtures.celeba(tmp_path)
    splits = CelebA(str(tmp_path), allow_variant=True).load()
    official = transforms.Compose([transforms.CenterCrop(178), transforms.Resize((224, 224))])
    with Image.open(tmp_path / "img_align_celeba" / "000002.jpg") as image:
        assert np.array_equal(
            splits.train.pixels(np.array([1]))[0].numpy(), np.asarray(official(image))
        )
    assert splits.train.info.tiers == {"LRG-1": (3,), "HRG": (0, 1, 2)}


def official_samples() -> list[tuple[int, int]]:
    return [
        (g, s)
        for s, sizes in enumerate(COUNTS.values())
        for g, n in enumerate(sizes)
        for _ in range(n)
    ]


def test_official_counts_and_the_ten_percent_subset(tmp_path: Path) -> None:
    fixtures.write_celeba(tmp_path, "subpop", official_samples())
    whole = CelebA(str(tmp_path)).listing()
    assert len(whole.paths) == 202_599
    tenth = CelebA(str(tmp_path), fraction=0.1).listing()
    assert int((tenth.split == 0).sum()) == 16_277
    assert int((tenth.split == 1).sum()) == 19_867
    assert int((tenth.split == 2).sum()) == 19_962
    again = CelebA(str(tmp_path), fraction=0.1).listing()
    assert again.paths == tenth.paths
    assert CelebA(str(tmp_path), fraction=0.1, subset_seed=1).listing().paths != tenth.paths
    blond_men = int(((tenth.group == 3) & (tenth.split == 0)).sum())
    assert 100 < blond_men < 180  # about 139 of 1,387


def test_other_counts_are_refused(tmp_path: Path) -> None:
    fixtures.celeba(tmp_path, images=False)
    with pytest.raises(FedgroupError, match=r"train 2/2/2/2.*71629/66874/22880/1387"):
        CelebA(str(tmp_path)).listing()


def test_files_are_joined_on_the_name_not_the_line(tmp_path: Path) -> None:
    fixtures.celeba(tmp_path, "kaggle", images=False)
    path = tmp_path / "list_eval_partition.csv"
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *rows[::-1]]))
    listing = CelebA(str(tmp_path), allow_variant=True).listing()
    assert listing.split.tolist() == [(n // 4) % 3 for n in range(24)]


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("list_attr_celeba.csv", "Blond_Hair", "Blonde", "Blond_Hair"),
        ("list_attr_celeba.csv", "Male", "Man", "lacks the column.*Male"),
        ("list_eval_partition.csv", "000003.jpg", "000099.jpg", "lacks 1 images.*000003"),
        ("list_eval_partition.csv", "000003.jpg", "000004.jpg", "occurs twice"),
        ("list_eval_partition.csv", "000001.jpg,0", "000001.jpg,9", "partition is '9'"),
    ],
)
def test_bad_files_are_one_clear_line(
    name: str, old: str, new: str, words: str, tmp_path: Path
) -> None:
    fixtures.celeba(tmp_path, "kaggle", images=False)
    path = tmp_path / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(FedgroupError, match=words):
        CelebA(str(tmp_path), allow_variant=True).listing()


def test_a_truncated_attribute_file_is_noticed(tmp_path: Path) -> None:
    fixtures.celeba(tmp_path, images=False)
    path = tmp_path / "list_attr_celeba.txt"
    path.write_bytes(b"\r\n".join(path.read_bytes().split(b"\r\n")[:-3]))
    with pytest.raises(FedgroupError, match="announces 24 images but lists 22"):
        CelebA(str(tmp_path), allow_variant=True).listing()


@pytest.mark.parametrize("fraction", [0.0, 1.5, -0.1])
def test_fraction_is_checked(fraction: float) -> None:
    with pytest.raises(FedgroupError, match="fraction must lie in"):
        CelebA(fraction=fraction)


def test_a_fraction_of_nothing(tmp_path: Path) -> None:
    fixtures.celeba(tmp_path, images=False)
    with pytest.raises(FedgroupError, match="is none"):
        CelebA(str(tmp_path), fraction=0.01, allow_variant=True).listing()


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match="no attribute files"):
        CelebA(str(tmp_path)).listing()


def test_kaggles_crlf_copy_is_read(tmp_path: Path) -> None:
    fixtures.celeba(tmp_path, "kaggle", images=False)
    for name in ("list_attr_celeba.csv", "list_eval_partition.csv"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    listing = CelebA(str(tmp_path), allow_variant=True).listing()
    assert listing.group.tolist() == [n % 4 for n in range(24)]


def test_split_files_are_the_known_ones(tmp_path: Path) -> None:
    cases = json.loads((CASES / "group_methods_cases.json").read_text())["cases"]
    known = next(case for case in cases if case["id"] == "dataset_checksums")["expected"]
    bounds = known["celeba_split_bounds"].values()
    rows = [(0, s) for s, (low, high) in enumerate(bounds) for _ in range(low, high + 1)]
    made = {}
    for dialect in ("kaggle", "george"):
        fixtures.write_celeba_splits(tmp_path / dialect, dialect, rows)
        made[dialect] = (tmp_path / dialect / "list_eval_partition.csv").read_bytes()
    for key, data in {"LF": made["kaggle"], "CRLF": made["kaggle"].replace(b"\n", b"\r\n")}.items():
        copy = known[f"list_eval_partition_csv_kaggle_{key}"]
        assert (len(data), hashlib.md5(data).hexdigest()) == (copy["bytes"], copy["md5"])
        assert copy["md5"] in KNOWN_MD5
    assert len(made["george"]) == known["list_eval_partition_csv_george"]["bytes"]


@pytest.mark.parametrize("dialect", ["official", "kaggle"])
def test_short_rows_and_other_encodings_are_named(dialect: str, tmp_path: Path) -> None:
    fixtures.celeba(tmp_path, dialect, images=False)
    path = next(tmp_path.glob("list_attr*"))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 9])
    with pytest.raises(FedgroupError, match=r"line \d+: \d+ values for 41 columns"):
        CelebA(str(tmp_path), allow_variant=True).listing()
    path.write_bytes(whole.replace(b"Bald", b"B\xe4ld"))
    with pytest.raises(FedgroupError, match="cannot read"):
        CelebA(str(tmp_path), allow_variant=True).listing()


def test_near_fractions_are_different_banks(tmp_path: Path) -> None:
    fixtures.celeba(tmp_path, per_pair=16)
    sizes = [
        len(CelebA(str(tmp_path), size=8, fraction=f, allow_variant=True).load().train)
        for f in (0.49999999, 0.5)
    ]
    assert sizes == [31, 32]
