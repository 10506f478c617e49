import hashlib
import tarfile
from pathlib import Path

import pytest

from fedgroup.data.resumable_download import fetch, unpack
from fedgroup.errors import FedgroupError
from tests.fedgroup.data.handler import Handler


def test_an_interrupted_download_is_continued(server: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = server
    data = bytes(range(256)) * 4000
    (folder / "file.bin").write_bytes(data)
    Handler.breaks = 1
    target = tmp_path / "got" / "file.bin"
    with pytest.raises(FedgroupError, match="run again to continue"):
        fetch(url + "file.bin", target)
    assert not target.exists()
    half = target.with_name("file.bin.part").stat().st_size
    assert 0 < half < len(data)
    seen: list[tuple[int, int]] = []
    fetch(
        url + "file.bin",
        target,
        lambda _, done, total: seen.append((done, total)),
        hashlib.md5(data).hexdigest(),
    )
    assert target.read_bytes() == data
    assert Handler.asked[-1] == f"bytes={half}-"
    assert seen[-1] == (len(data), len(data))
    assert fetch(url + "gone.bin", target) == target  # a whole file is kept, nothing is asked


def test_download_errors(server: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = server
    with pytest.raises(FedgroupError, match="answered 404"):
        fetch(url + "none.bin", tmp_path / "none.bin")
    (folder / "wrong.bin").write_bytes(b"something else")
    with pytest.raises(FedgroupError, match="md5 .* expected 0000.*removed"):
        fetch(url + "wrong.bin", tmp_path / "wrong.bin", md5="0000")
    assert [path.suffix for path in tmp_path.glob("wrong*")] == [".lock"]
    with pytest.raises(FedgroupError, match="could not be fetched"):
        fetch("http://127.0.0.1:9/x", tmp_path / "x")


def test_a_damaged_archive_is_removed(tmp_path: Path) -> None:
    archive = tmp_path / "x.tar.gz"
    archive.write_bytes(b"not a tarball")
    with pytest.raises(FedgroupError, match="damaged .* removed, run again"):
        unpack(archive, tmp_path)
    assert not archive.exists()


def test_an_archive_cannot_write_outside(tmp_path: Path) -> None:
    (tmp_path / "evil.txt").write_text("x")
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        tar.add(tmp_path / "evil.txt", "../../outside.txt")
    (tmp_path / "in").mkdir()
    with pytest.raises(FedgroupError, match="damaged"):
        unpack(tmp_path / "evil.tar", tmp_path / "in")
    assert not (tmp_path.parent / "outside.txt").exists()
