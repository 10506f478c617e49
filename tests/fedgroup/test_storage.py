"""Files are there whole or not at all; damaged cached results count as none; who may read them."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from fedgroup.storage import (
    atomic,
    cache_dir,
    exclusive,
    load_cached,
    read_arrays,
    read_json,
    save_cached,
    write_arrays,
    write_json,
    write_text,
)


def test_a_failed_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(KeyError), atomic(path) as temporary:
        temporary.write_text("new")
        raise KeyError
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    write_text(tmp_path / "t", "é\r\n\n")
    assert (tmp_path / "t").read_bytes() == b"\xc3\xa9\r\n\n"
    write_json(tmp_path / "j", {"a": [1, None]})
    assert (tmp_path / "j").read_bytes() == b'{\n "a": [\n  1,\n  null\n ]\n}\n'
    assert read_json(tmp_path / "j") == {"a": [1, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "j", float("nan"))
    write_arrays(tmp_path / "n.npz", {"x": np.arange(3), "y.z": np.float32(2)})
    arrays = read_arrays(tmp_path / "n.npz")
    assert list(arrays) == ["x", "y.z"]
    assert arrays["x"].tolist() == [0, 1, 2]
    assert arrays["y.z"].dtype == np.float32


def test_an_unreadable_json_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "j").write_text("{")
    for name in ("j", "missing"):
        with pytest.raises(FedgroupError, match=f"cannot read .*{name}"):
            read_json(tmp_path / name)


def test_cached_arrays_that_are_missing_damaged_or_others_are_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "r.npz"
    assert load_cached(path, {"x"}) is None
    assert not caplog.records
    save_cached(path, {"x": np.arange(2)})
    stored = load_cached(path, {"x"})
    assert stored is not None and stored["x"].tolist() == [0, 1]
    assert load_cached(path, {"x", "y"}) is None
    path.write_bytes(path.read_bytes()[:50])
    assert load_cached(path, {"x"}) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    with pytest.raises(FedgroupError, match="cannot write .* set FEDGROUP_CACHE elsewhere"):
        save_cached(tmp_path / "no" / "r.npz", {"x": np.arange(2)})


def test_the_cache_must_be_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(FedgroupError, match="set FEDGROUP_CACHE to a writable folder"),
        exclusive(tmp_path / "file" / "r.npz"),
    ):
        pass


def test_the_cache_folder_is_the_users_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGROUP_CACHE", "/somewhere")
    assert cache_dir() == Path("/somewhere")
    monkeypatch.delenv("FEDGROUP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/user")
    assert cache_dir() == Path("/user/fedgroup")


def test_the_default_cache_folder_is_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FEDGROUP_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("HOME", "/home/x y")
    assert cache_dir() == Path("/home/x y/.cache/fedgroup")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_dir() == Path("/home/x y/.cache/fedgroup")


def test_without_a_home_one_line_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEDGROUP_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "~nobody-at-all/cache")
    with pytest.raises(FedgroupError, match="set FEDGROUP_CACHE to a writable folder"):
        cache_dir()


def test_two_writers_of_one_file_have_temporary_files_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with atomic(path) as one, atomic(path) as two:
        one.write_text("one")
        two.write_text("two")
        assert one != two
    assert path.read_text() == "one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


@pytest.fixture
def private(tmp_path: Path) -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_in_a_shared_folder_the_group_may_go_on_whatever_the_umask(
    private: None, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2770)
    path = shared / "stages" / "r.npz"
    with exclusive(path):
        save_cached(path, {"x": np.arange(2)})
    assert [oct(rights(p)) for p in (path.parent, path, path.with_suffix(".lock"))] == [
        "0o2770",
        "0o660",
        "0o660",
    ]


@pytest.mark.parametrize("mode", [0o755, 0o1777, 0o700])
def test_elsewhere_the_umask_decides(private: None, mode: int, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    folder.chmod(mode)
    write_text(folder / "a", "x")
    assert rights(folder / "a") == 0o600
