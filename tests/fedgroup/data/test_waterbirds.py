from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from fedgroup.data.image_bank import has_bank
from fedgroup.data.waterbirds import COUNTS, REGENERATED, Waterbirds
from fedgroup.errors import FedgroupError
from fedgroup.storage import cache_dir
from tests.fedgroup.data import fixtures


def test_every_pixel_is_that_of_the_official_transform(tmp_path: Path) -> None:
    folder = fixtures.waterbirds(tmp_path)
    splits = Waterbirds(str(tmp_path), allow_variant=True).load()
    official = transforms.Compose([transforms.Resize((256, 256)), transforms.CenterCrop(224)])
    rows = [line.split(",") for line in (folder / "metadata.csv").read_text().splitlines()[1:]]
    for code, part in enumerate(splits):
        mine = [row for row in rows if row[3] == str(code)]
        assert len(part) == len(mine) == 8
        for i, row in enumerate(mine):
            with Image.open(folder / row[1]) as image:
                expected = np.asarray(official(image.convert("RGB")))
            assert np.array_equal(part.pixels(np.array([i]))[0].numpy(), expected), row[1]
            assert (part.y[i], part.group[i]) == (int(row[2]), 2 * int(row[2]) + int(row[4]))
    assert splits.train.group_counts().tolist() == [2, 2, 2, 2]
    assert splits.train.info.train_counts == (2, 2, 2, 2)
    assert splits.train.info.tiers == {"LRG-1": (2,), "LRG-2": (1,), "HRG": (0, 3)}


@pytest.mark.parametrize(
    "name", ["waterbird_complete95_forest2water2", "waterbirds_v1.0", "renamed"]
)
@pytest.mark.parametrize("inside", [False, True])
def test_every_layout_is_found(name: str, inside: bool, tmp_path: Path) -> None:
    fixtures.waterbirds(tmp_path / "x").rename(tmp_path / name)
    root = tmp_path / name if inside else tmp_path
    assert len(Waterbirds(str(root), allow_variant=True).listing().paths) == 24


def test_the_default_place_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fixtures.waterbirds(tmp_path)
    fixtures.celeba(tmp_path / "celeba", "jtt", images=False)  # another metadata.csv beside it
    monkeypatch.setenv("FEDGROUP_DATA", str(tmp_path))
    assert len(Waterbirds(allow_variant=True).listing().paths) == 24


def test_official_counts_are_accepted_and_the_regenerated_copy_is_not(tmp_path: Path) -> None:
    fixtures.write_metadata(tmp_path / "good", fixtures.waterbirds_rows(COUNTS))
    assert len(Waterbirds(str(tmp_path / "good")).listing().paths) == 11_788
    fixtures.write_metadata(tmp_path / "trap", fixtures.waterbirds_rows(REGENERATED))
    with pytest.raises(FedgroupError) as caught:
        Waterbirds(str(tmp_path / "trap")).listing()
    message = str(caught.value)
    for part in ("3525/186/54/1030", "3498/184/56/1057", "regenerated", "allow_variant"):
        assert part in message
    assert len(Waterbirds(str(tmp_path / "trap"), allow_variant=True).listing().paths) == len(
        fixtures.waterbirds_rows(REGENERATED)
    )


def edit(folder: Path, old: str, new: str, count: int = 1) -> None:
    path = folder / "metadata.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (",place,", ",background,", "lacks the column.*place"),
        (",0,0,0,/b", ",0,3,0,/b", "split is '3', expected 0, 1, 2"),
        (",0,0,0,/b", ",2,0,0,/b", "y is '2', expected one of 0, 1"),
        (",0,0,0,/b", ",0,0,-1,/b", "place is '-1'"),
        (",0,0,0,/b", ",0,0,/b", "line 2: 5 values for 6 columns"),
        ("Cardinal_0001_8", "Cardinal_0004_11", "occurs twice"),
    ],
)
def test_bad_metadata_is_one_clear_line(old: str, new: str, words: str, tmp_path: Path) -> None:
    folder = fixtures.waterbirds(tmp_path, images=False)
    edit(folder, old, new)
    with pytest.raises(FedgroupError, match=words):
        Waterbirds(str(tmp_path), allow_variant=True).listing()


def test_missing_and_truncated_images_are_named_and_leave_no_bank(tmp_path: Path) -> None:
    folder = fixtures.waterbirds(tmp_path)
    images = sorted(folder.rglob("*.jpg"))
    whole = images[3].read_bytes()
    images[3].write_bytes(whole[: len(whole) // 2])
    data = Waterbirds(str(tmp_path), size=56, allow_variant=True)
    with pytest.raises(FedgroupError, match=rf"{images[3].name} is truncated or not an image"):
        data.load()
    images[3].write_text("<html>404</html>")
    with pytest.raises(FedgroupError, match=r"truncated or not an image"):
        data.load()
    images[3].unlink()
    images[4].unlink()
    with pytest.raises(FedgroupError, match=r"2 of 24 images are missing"):
        data.load()
    banks = [f for f in cache_dir().glob("*waterbirds-56*")]
    assert not any(has_bank(folder) for folder in banks)
    assert not banks, "no half-made bank may stay"


def test_no_folder_and_no_metadata(tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match="no folder at"):
        Waterbirds(str(tmp_path / "nowhere")).listing()
    with pytest.raises(
        FedgroupError, match=r"no metadata\.csv in .*fedgroup data prepare waterbirds"
    ):
        Waterbirds(str(tmp_path)).listing()
    with pytest.raises(FedgroupError, match="size must lie in"):
        Waterbirds(size=4)


def test_the_bank_is_made_once(tmp_path: Path) -> None:
    folder = fixtures.waterbirds(tmp_path)
    data = Waterbirds(str(tmp_path), size=28, allow_variant=True)
    first = data.load()
    for image in folder.rglob("*.jpg"):
        image.unlink()
    second = data.load()  # no picture is needed any more
    assert np.array_equal(first.test.bank.numpy(), second.test.bank.numpy())
    assert second.train.size == (28, 28)


def test_the_same_metadata_beside_other_pictures_is_another_bank(tmp_path: Path) -> None:
    first = fixtures.waterbirds(tmp_path / "a")
    second = fixtures.waterbirds(tmp_path / "b")
    assert (first / "metadata.csv").read_bytes() == (second / "metadata.csv").read_bytes()
    for image in second.rglob("*.jpg"):
        Image.new("RGB", (50, 50), (1, 2, 3)).save(image)
    seen = [
        Waterbirds(str(f), size=28, allow_variant=True).load().train.bank for f in (first, second)
    ]
    assert not np.array_equal(seen[0].numpy(), seen[1].numpy())
    assert int(seen[1].max()) < 10


def test_several_truncated_images_are_one_error(tmp_path: Path) -> None:
    images = sorted(fixtures.waterbirds(tmp_path).rglob("*.jpg"))
    for image in images[2:7]:
        image.write_bytes(image.read_bytes()[:300])
    with pytest.raises(
        FedgroupError, match=r"5 of 24 images cannot be used, e\.g\. .*truncated or not an image"
    ):
        Waterbirds(str(tmp_path), size=28, allow_variant=True).load()


def test_another_metadata_csv_under_the_root_is_passed_over(tmp_path: Path) -> None:
    fixtures.celeba(tmp_path / "aaa", "jtt", images=False)
    fixtures.waterbirds(tmp_path / "x").rename(tmp_path / "renamed")
    assert len(Waterbirds(str(tmp_path), allow_variant=True).listing().paths) == 24
    with pytest.raises(FedgroupError, match=r"aaa.metadata\.csv lacks the column\(s\) img_id"):
        Waterbirds(str(tmp_path / "aaa"), allow_variant=True).listing()


def test_the_cache_folder_of_its_own_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path))
    monkeypatch.delenv("FEDGROUP_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    fixtures.waterbirds(tmp_path / "waterbirds", images=False)
    assert len(Waterbirds(allow_variant=True).listing().paths) == 24
