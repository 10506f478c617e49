from pathlib import Path

import pytest
from PIL import Image

from fedgroup.data.folder import Folder, tiers
from fedgroup.errors import FedgroupError
from tests.fedgroup.data import fixtures


def test_words_become_groups(tmp_path: Path) -> None:
    splits = Folder(str(fixtures.folder(tmp_path)), size=16).load()
    info = splits.train.info
    assert info.classes == ("cat", "dog")
    assert info.groups == ("cat, day", "cat, night", "dog, day", "dog, night")
    assert [part.group_counts().tolist() for part in splits] == [[3, 3, 3, 3]] * 3
    assert splits.test.size == (16, 16)


def test_tiers_by_hand() -> None:
    assert tiers((3498, 184, 56, 1057)) == {"LRG-1": (2,), "LRG-2": (1,), "HRG": (0, 3)}
    assert tiers((71629, 66874, 22880, 1387)) == {"LRG-1": (3,), "HRG": (0, 1, 2)}
    assert tiers((10, 0, 10, 10)) == {"LRG-1": (0,), "HRG": (2, 3)}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("file,y,a,split", "file,label,a,split", "lacks the column.*y"),
        ("p0.png,cat,day,train", "p0.png,cat,day,training", "split is 'training'"),
        ("p0.png,", "p1.png,", "occurs twice"),
        ("p0.png,", "none.png,", r"1 of 36 images are missing, e\.g\. .*none\.png"),
        ("test", "val", "no rows of split test"),
        ("dog", "cat", "single class"),
    ],
)
def test_bad_folders_are_one_clear_line(old: str, new: str, words: str, tmp_path: Path) -> None:
    root = fixtures.folder(tmp_path)
    path = root / "metadata.csv"
    text = path.read_text()
    path.write_text(text.replace(old, new, -1 if old in ("test", "dog") else 1))
    with pytest.raises(FedgroupError, match=words):
        Folder(str(root), size=16).load()


def test_no_root_and_no_metadata(tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match="--root FOLDER"):
        Folder().load()
    with pytest.raises(FedgroupError, match="cannot read"):
        Folder(str(tmp_path)).load()
    (tmp_path / "metadata.csv").write_text("")
    with pytest.raises(FedgroupError, match="is empty"):
        Folder(str(tmp_path)).load()


def write(root: Path, rows: str) -> Folder:
    root.mkdir(exist_ok=True)
    (root / "metadata.csv").write_text("file,y,a,split\n" + rows)
    return Folder(str(root))


def test_a_group_without_training_rows_is_refused(tmp_path: Path) -> None:
    rows = "".join(
        f"{s}{y}{a}.png,{y},{a},{s}\n" for s in ("train", "val", "test") for y in "01" for a in "ab"
    )
    assert len(write(tmp_path, rows).listing()[0].paths) == 12
    with pytest.raises(
        FedgroupError, match=r"no training rows of group 1, b, which val or test holds"
    ):
        write(tmp_path, rows.replace("train1b.png,1,b,train\n", "")).listing()
    nowhere = "".join(line + "\n" for line in rows.splitlines() if "1b.png" not in line)
    listing, info = write(tmp_path, nowhere).listing()  # an empty cell of the grid is not a group
    assert len(listing.paths) == 9
    assert all(3 not in groups for groups in info.tiers.values())


def test_whole_numbers_are_ordered_as_numbers(tmp_path: Path) -> None:
    rows = "".join(
        f"{s}{y}.png,{y},0,{s}\n" for s in ("train", "val", "test") for y in ("10", "9", "-1")
    )
    assert write(tmp_path, rows).listing()[1].classes == ("-1", "9", "10")
    padded = "".join(
        f"{s}{y}.png,{y},0,{s}\n" for s in ("train", "val", "test") for y in ("01", "2")
    )
    assert write(tmp_path, padded + "x.png,1,0,train\n").listing()[1].classes == ("1", "2")


@pytest.mark.parametrize("odd", ["--5", "²", "1.5"])
def test_odd_values_are_words(odd: str, tmp_path: Path) -> None:
    rows = "".join(
        f"{s}{n}.png,{v},0,{s}\n" for s in ("0", "1", "2") for n, v in enumerate(("1", odd))
    )
    assert set(write(tmp_path, rows).listing()[1].classes) == {"1", odd}


def test_an_empty_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match="line 3: a is empty"):
        write(tmp_path, "p.png,1,0,train\nq.png,0,,train\n").listing()


def test_the_name_is_the_folders_or_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fixtures.folder(tmp_path / "pets")
    monkeypatch.chdir(tmp_path / "pets")
    assert Folder(".", size=16).load().train.info.name == "pets"
    assert Folder(".", size=16, name="cats and dogs").load().train.info.name == "cats and dogs"
    with pytest.raises(FedgroupError, match="name must be letters"):
        Folder(".", name="../x")


def test_two_folders_of_one_name_keep_their_own_pictures(tmp_path: Path) -> None:
    first, second = (
        fixtures.folder(tmp_path / "a" / "pets"),
        fixtures.folder(tmp_path / "b" / "pets"),
    )
    for image in (second / "images").iterdir():
        Image.new("RGB", (8, 8), (1, 2, 3)).save(image)
    Folder(str(first), size=16).load()
    assert int(Folder(str(second), size=16).load().train.bank.max()) == 3
