"""One process has a lock and is named; a holder that is gone has none; also where flock is missing."""

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fedgroup.host import locks
from fedgroup.host.locks import Lock, is_held, waiting_for
from tests.paths import ROOT

HOLD = """
import sys
from pathlib import Path
from fedgroup.host import locks
if sys.argv[2] == "without":
    def missing(*_, **__):
        raise OSError(38, "Function not implemented")
    locks.lock_descriptor = missing
lock = locks.Lock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["flock", "ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With flock, and on a file system that answers as NFS without a lock server does."""
    name = str(request.param)
    if name != "flock":

        def missing(_: int, *, blocking: bool = True) -> bool:
            raise OSError(getattr(errno, name), "no locks here")

        monkeypatch.setattr(locks, "lock_descriptor", missing)
    return name


@contextmanager
def holding(path: Path, kind: str) -> Iterator["subprocess.Popen[str]"]:
    """Another process that has the lock."""
    words = [sys.executable, "-c", HOLD, str(path), "with" if kind == "flock" else "without"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        try:
            yield other
        finally:
            other.kill()


def test_one_at_a_time_has_a_lock(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first, second = Lock(path), Lock(path)
    assert first.acquire()
    assert not second.acquire()
    assert is_held(path)
    assert second.holder() == f"process {os.getpid()} on {socket.gethostname()}"
    first.release()
    assert not is_held(path)
    assert second.acquire()
    second.release()


def test_a_lock_is_taken_over_from_a_process_that_is_gone(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "é x" / "lock"
    path.parent.mkdir()
    with holding(path, kind) as other:
        mine = Lock(path)
        assert not mine.acquire()
        assert is_held(path)
        assert mine.holder() == f"process {other.pid} on {socket.gethostname()}"
        other.kill()
        other.wait()
        assert mine.acquire(wait=5)
        mine.release()


def test_who_waits_gets_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with holding(path, "flock") as other:
        other.stdin.close()  # type: ignore[union-attr]
        with waiting_for(path):
            assert path.read_text().splitlines() == [str(os.getpid()), socket.gethostname()]
    assert path.read_text() == ""


def test_asking_leaves_no_file_and_no_name_behind(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_held(path)
    assert not path.exists()
    path.write_text("")
    assert not is_held(path)
    assert path.read_text() == ""


@pytest.mark.parametrize("reason", [errno.EROFS, errno.EACCES])
def test_a_lock_that_cannot_be_written_is_asked_by_reading(
    reason: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results on a read-only mount, or of another user, have a state all the same."""
    path = tmp_path / "lock"
    path.write_text("")
    opened = os.open

    def refuse(name: Path, flags: int, *mode: int) -> int:
        if flags & os.O_RDWR:
            raise OSError(reason, "no")
        return opened(name, flags, *mode)

    monkeypatch.setattr(os, "open", refuse)
    assert not is_held(path)
    with monkeypatch.context() as free:
        free.setattr(os, "open", opened)
        mine = Lock(path)
        assert mine.acquire()
    assert is_held(path)
    mine.release()


def test_another_trouble_is_not_taken_for_missing_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int, *, blocking: bool = True) -> bool:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(locks, "lock_descriptor", broken)
    with pytest.raises(OSError, match="Input/output"):
        Lock(tmp_path / "lock").acquire()
