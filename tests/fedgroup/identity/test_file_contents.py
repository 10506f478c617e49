import os
import time
from pathlib import Path

import pytest

from fedgroup.identity import file_contents
from fedgroup.identity.file_contents import changed_in_place, digest_files, files_below
from tests.fedgroup.foreign import write

FILES = {"labels.csv": "a,b\n", "images/one.png": "1111", "images/two.png": "2222"}
LONG_AGO = 10**18


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three files that were left alone long enough to be relied on, and an empty cache."""
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(file_contents, "SETTLED", -(10**15))
    return write(tmp_path / "data", FILES)


def digest(root: Path, anew: bool = False) -> str:
    return digest_files(root, [root / name for name in FILES], anew)


def overwrite(path: Path, text: str, keep: bool = True) -> None:
    """Write into the same inode; size and mtime stay, as after `cp` and `touch -r`."""
    state = path.stat()
    tick = state.st_ctime_ns
    while True:  # the clock of the file system has a tick of some milliseconds
        path.write_text(text)
        if keep:
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        if path.stat().st_ctime_ns != tick:
            return
        time.sleep(0)


def read(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that one digest reads."""
    names: list[str] = []
    plain = file_contents._read
    monkeypatch.setattr(
        file_contents, "_read", lambda path: (names.append(path.name), plain(path))[1]
    )
    digest(root)
    return sorted(names)


def test_only_what_looks_changed_is_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(root, monkeypatch) == ["labels.csv", "one.png", "two.png"]
    assert read(root, monkeypatch) == ["labels.csv"]  # never relied on
    overwrite(root / "images/two.png", "3333")
    assert read(root, monkeypatch) == ["labels.csv", "two.png"]


@pytest.mark.parametrize("name", FILES)
def test_overwriting_in_place_is_seen(name: str, root: Path) -> None:
    """Same name, same size, same mtime, same inode."""
    before = digest(root)
    state = (root / name).stat()
    overwrite(root / name, FILES[name].replace(FILES[name][0], "x"))
    now = (root / name).stat()
    same = ("st_size", "st_mtime_ns", "st_ino")
    assert [getattr(state, s) for s in same] == [getattr(now, s) for s in same]
    assert digest(root) != before


@pytest.mark.parametrize("name", FILES)
def test_absence_addition_and_renaming_are_seen(name: str, root: Path) -> None:
    before = digest(root)
    (root / name).rename(root / "elsewhere")
    assert digest(root) != before
    (root / "elsewhere").rename(root / name)
    assert digest(root) == before
    assert digest_files(root, [root / one for one in FILES if one != name]) != before


def test_place_and_times_do_not_count(root: Path, tmp_path: Path) -> None:
    before = digest(root)
    copy = write(tmp_path / "copy", FILES)
    os.utime(copy / "labels.csv", ns=(LONG_AGO, LONG_AGO))
    assert digest(copy) == before
    assert digest_files(root, [root / name for name in reversed(FILES)]) == before


def test_what_a_single_file_is_called_does_not_count(tmp_path: Path) -> None:
    write(tmp_path, {"a.json": "[[0]]", "b.json": "[[0]]", "c.json": "[[1]]"})
    one, two, three = (digest_files(tmp_path, [tmp_path / f"{n}.json"]) for n in "abc")
    assert one == two != three


def test_a_file_just_written_is_not_relied_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a tick of the file system's clock a second write leaves no trace in its times."""
    monkeypatch.setattr(file_contents, "SETTLED", 2 * 10**9)
    digest(root)
    assert read(root, monkeypatch) == ["labels.csv", "one.png", "two.png"]


def test_anew_finds_what_no_time_tells(root: Path) -> None:
    """As bits that rot: the manifest holds other bytes than the disk, nothing else differs."""
    paths = [root / name for name in FILES]
    true = digest(root)
    assert changed_in_place(root, paths) == []
    (manifest,) = (root.parent / "cache" / "manifests").glob("*.npz")
    stored = file_contents.load_cached(manifest, {"stats", "sums"})
    assert stored is not None
    stored["sums"][1] ^= 255
    file_contents.save_cached(manifest, stored)
    assert digest(root) != true == digest(root, anew=True)
    assert digest(root) == true  # what was read anew is remembered


def test_a_damaged_manifest_and_a_cache_that_cannot_be_written(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = digest(root)
    (manifest,) = (root.parent / "cache" / "manifests").glob("*.npz")
    manifest.write_bytes(b"garbage")
    assert digest(root) == true
    monkeypatch.setenv("FEDGROUP_CACHE", str(root / "labels.csv"))  # a file, no folder
    assert digest(root) == true


def test_large_files_are_relied_on_as_pictures_are(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_contents, "LARGE", 4)
    assert read(root, monkeypatch) == ["labels.csv", "one.png", "two.png"]
    assert read(root, monkeypatch) == []


def test_hidden_files_of_a_folder_are_left_out(root: Path) -> None:
    write(root, {".DS_Store": "", ".git/config": "", "images/.hidden/x.png": ""})
    assert files_below(root) == [
        root / "images" / "one.png",
        root / "images" / "two.png",
        root / "labels.csv",
    ]
