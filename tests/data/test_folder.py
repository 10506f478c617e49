from pathlib import Path

import pytest

from fedgroup.data.folder import Folder, tiers
from fedgroup.errors import FedgroupError
from tests.data import fixtures


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
