"""Locks between processes: who has one is named by process and host, and a dead holder has none.

The operating system's lock (flock, through `filelock`) is released with its process, however that
ends. Where a file system has no such locks, a marker file beside it takes their place; of a process
that is gone on this host it is taken over.
"""

import errno
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import SoftFileLock, Timeout, lock_descriptor

from fedgroup.host.sharing import share

POLL = 0.05
"""Seconds between two tries."""
UNSUPPORTED = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}
"""What a file system answers that has no locks."""
FOREVER = float("inf")


class Lock:
    """The exclusive right to what a lock file guards, across processes and (with NFS) hosts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._marker: SoftFileLock | None = None

    def acquire(self, wait: float = 0.0, sign: bool = True) -> bool:
        """Take the lock.

        Args:
            wait: Seconds to wait for another process that has it.
            sign: Whether to write this process and host into the file.

        Returns:
            Whether it was taken.

        Raises:
            OSError: The lock file cannot be opened or made.
        """
        deadline = time.monotonic() + wait
        while not self._try(sign):
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL)
        return True

    def release(self) -> None:
        """Give the lock back; nothing happens where it was not taken."""
        if self._marker is not None:
            self._marker.release(force=True)
            self._marker = None
        if self._descriptor is not None:
            with suppress(OSError):  # opened for reading alone
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def by_marker(self) -> bool:
        """Whether it is held by a marker file, for want of locks."""
        return self._marker is not None

    def holder(self) -> str:
        """Say who has the lock, for a message: "process 17 on host a", as far as it is known."""
        known = _record(self.path) or _record(_marker_of(self.path))
        return f"process {known[0]} on {known[1]}" if known else "another process"

    def _try(self, sign: bool) -> bool:
        descriptor = _open(self.path)
        try:
            taken = lock_descriptor(descriptor, blocking=False)
        except OSError as error:
            os.close(descriptor)
            if error.errno not in UNSUPPORTED:
                raise
            return self._try_marker()
        if not taken:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        if sign:
            with suppress(OSError):  # opened for reading alone, or a full disk
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{os.getpid()}\n{socket.gethostname()}\n".encode(), 0)
        return True

    def _try_marker(self) -> bool:
        marker = SoftFileLock(_marker_of(self.path), thread_local=False)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                marker.acquire(blocking=False)
        except Timeout:
            return False
        self._marker = marker
        return True


def is_held(path: Path) -> bool:
    """Return whether a process has the lock at `path`, also where nothing can be written there."""
    if not path.exists():
        return False
    lock = Lock(path)
    try:
        if not lock.acquire(sign=False):
            return True
    except OSError:
        return _runs_here(_record(path))
    lock.release()
    return False


def kind_of(folder: Path) -> str:
    """Say what keeps others out of a folder: the system's locks, or marker files."""
    lock = Lock(folder / ".kind")
    lock.acquire()
    kind = "marker files (no flock here)" if lock.by_marker else "flock"
    lock.release()
    lock.path.unlink(missing_ok=True)
    return kind


@contextmanager
def waiting_for(path: Path) -> Iterator[None]:
    """Hold the lock at `path`, waiting for whoever has it."""
    lock = Lock(path)
    lock.acquire(wait=FOREVER)
    try:
        yield
    finally:
        lock.release()


def _open(path: Path) -> int:
    """Open a lock file, made where it is missing; for reading where it is somebody else's."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EROFS) or not path.exists():
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    share(path)
    return descriptor


def _marker_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.held")


def _record(path: Path) -> tuple[int, str] | None:
    """Return the process and host that a lock file or a marker names."""
    try:
        process, host, *_ = path.read_text(encoding="utf-8").splitlines()
        return int(process), host
    except (OSError, ValueError):
        return None


def _runs_here(record: tuple[int, str] | None) -> bool:
    if record is None or record[1] != socket.gethostname():
        return False
    try:
        os.kill(record[0], 0)
    except ProcessLookupError:
        return False
    except OSError:  # it runs, as another user
        return True
    return True
