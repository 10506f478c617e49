import os
from pathlib import Path

import pytest
from PIL import Image

from fedgroup.data.folder import Folder, tiers
from fedgroup.data.prepare import check
from fedgroup.errors import FedgroupError
from fedgroup.identity.run_identity import content_digest
from fedgroup.spec import build
from fedgroup.storage import read_arrays, write_arrays
from fedgroup.task import (
    Task,
    assign_clients,
    check_same_content,
    forget_changed_data,
    load_splits,
)
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


def rows(classes: str = "ab", parts: tuple[str, ...] = ("train", "val", "test")) -> list[str]:
    return [f"{part}{y}.png,{y},0,{part}\n" for part in parts for y in classes]


def test_a_class_without_validation_or_test_rows_is_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    some = [row for row in rows("abc") if not row.startswith(("valb", "testc"))]
    for _ in range(2):
        write(tmp_path, "".join(some)).listing()
    (record,) = caplog.records
    assert "no val rows of b, 0; no test rows of c, 0: worst-group accuracy" in record.message


def test_numbers_that_are_measured_are_no_labels(tmp_path: Path) -> None:
    some = [f"{n}.png,{n},{n},{n % 3}\n" for n in range(150)]
    with pytest.raises(FedgroupError, match="150 labels y and 150 labels a, at most 10000 groups"):
        write(tmp_path, "".join(some)).listing()


def test_a_row_without_its_picture_is_named_by_its_line(tmp_path: Path) -> None:
    root = fixtures.folder(tmp_path / "pets")
    (root / "images" / "p3.png").unlink()
    with pytest.raises(FedgroupError, match=r"1 of 36 images are missing, .*p3\.png \(line 5\)"):
        Folder(str(root), size=16).load()


def test_pictures_that_no_row_lists_are_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = fixtures.folder(tmp_path / "pets")
    (root / "images" / "more").mkdir()
    for name in ("zz.png", "more/x.png", ".DS_Store"):
        (root / "images" / name).write_bytes(b"")
    assert len(Folder(str(root), size=16).load().train) == 12
    (record,) = caplog.records
    assert "2 files are in no row of metadata.csv, e.g. more/x.png" in record.message


def test_the_same_table_in_another_encoding_is_the_same_data(tmp_path: Path) -> None:
    root = fixtures.folder(tmp_path / "pets")
    path = root / "metadata.csv"
    plain = Folder(str(root), size=16).listing()
    path.write_bytes(path.read_text().replace("\n", "\r\n").encode("utf-16"))
    other = Folder(str(root), size=16).listing()
    assert plain[1] == other[1]
    assert plain[0].paths == other[0].paths and plain[0].y.tolist() == other[0].y.tolist()


def repaint(path: Path, colour: tuple[int, int, int]) -> None:
    """Another picture in the same inode, of the same size and the same mtime."""
    before, old = path.stat(), path.read_bytes()
    Image.new("RGB", (8, 8), colour).save(path)
    new = path.read_bytes()
    path.write_bytes(new + bytes(max(0, len(old) - len(new))))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_pictures_overwritten_in_place_are_seen(tmp_path: Path) -> None:
    root = fixtures.folder(tmp_path / "pets", per_pair=1)
    for image in (root / "images").iterdir():
        Image.new("RGB", (8, 8), (200, 200, 200)).save(image)
    data = Folder(str(root), size=16)
    assert int(data.load().train.bank.max()) == 200
    for image in (root / "images").iterdir():
        repaint(image, (1, 2, 3))
    assert int(data.load().train.bank.max()) == 3


def test_a_process_loads_changed_files_anew(tmp_path: Path) -> None:
    root = fixtures.folder(tmp_path / "pets", per_pair=1)
    lists = tmp_path / "lists.json"
    lists.write_text("[[0, 1], [2, 3]]")
    partition = {"use": "lists", "file": str(lists)}
    spec = {"data": {"use": "folder", "root": str(root), "size": 16}, "partition": partition}
    only = build(Task, spec)
    before = load_splits(only.data), assign_clients(only), content_digest(only)
    forget_changed_data()
    assert load_splits(only.data) is before[0] and assign_clients(only) is before[1]
    lists.write_text("[[0], [1, 2, 3]]")
    assert assign_clients(only) is before[1]  # a run goes on with what it began with
    forget_changed_data()
    assert [len(part) for part in assign_clients(only)] == [1, 3]
    rows = (root / "metadata.csv").read_text()
    swapped = rows.replace("cat", "@").replace("dog", "cat").replace("@", "dog")
    (root / "metadata.csv").write_text(swapped)
    forget_changed_data()
    assert load_splits(only.data).train.y.tolist() != before[0].train.y.tolist()
    check_same_content(only, content_digest(only))
    with pytest.raises(FedgroupError, match=r"files are not the server's.*start the client anew"):
        check_same_content(only, before[2])


def test_check_reads_all_and_says_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("fedgroup.identity.file_contents.SETTLED", -(10**15))
    root = fixtures.folder(tmp_path / "pets", per_pair=1)
    first = check("folder", root)
    assert first[0] == "pets: 12 images, metadata.csv" and "  train: 1/1/1/1 per group" in first
    assert first[-1].endswith(": 13 files read anew")
    (manifest,) = (tmp_path / "cache" / "manifests").glob("*.npz")
    stored = read_arrays(manifest)
    stored["sums"][5] ^= 1
    write_arrays(manifest, stored)
    assert check("folder", root)[-1].startswith("  1 of them hold other bytes than when they were")
    assert check("folder", root) == first
