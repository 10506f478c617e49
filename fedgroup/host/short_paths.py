"""A temporary folder of a short name: a socket's path has at most 107 bytes on Linux, 103 on macOS.

Ray adds /ray/session_2026-11-27_18-05-00_123456_1234567/sockets/plasma_store to it, 68 bytes, and
Python's own multiprocessing less.
"""

import os
import tempfile

from fedgroup.errors import FedgroupError

LONGEST = 35
"""Bytes of a folder's path below which all sockets can be made."""


def short_temporary(usual: str = "") -> str:
    """Return the usual temporary folder where its name is short enough, else a shorter one.

    Args:
        usual: The folder that is tried first; by default that of $TMPDIR.

    Raises:
        FedgroupError: No folder of so short a name can be written.
    """
    usual = usual or tempfile.gettempdir()
    for folder in (usual, "/tmp", os.environ.get("XDG_RUNTIME_DIR", ""), "/var/tmp", "/dev/shm"):
        fits = folder.startswith("/") and len(os.fsencode(folder)) <= LONGEST
        if fits and os.access(folder, os.W_OK | os.X_OK):
            return folder
    raise FedgroupError(
        f"sockets cannot be made below {usual}: its path has {len(os.fsencode(usual))} bytes, at "
        f"most {LONGEST} work; set TMPDIR to a writable folder with a shorter path"
    )
