"""Files that several users share: what is made in a folder that others may write to is theirs too.

A results folder or a cache that a group may write to (mode 2775, say) is shared. What is made in it
gets the folder's rights, whatever the user's umask says; elsewhere the umask alone decides.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

SHARED = stat.S_IWGRP | stat.S_IWOTH
ADVICE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EACCES: "it is somebody else's, or protected",
    errno.EPERM: "it is somebody else's, or protected",
    errno.EEXIST: "a file is in the way",
    errno.ENOTDIR: "a file is in the way",
}
"""What to do about a failed write, or what is behind it."""


def share(path: Path) -> None:
    """Give a file or folder the rights of the folder it lies in, where that one is shared.

    Only rights to read, write and enter are added, none is taken away. A folder of everybody's,
    such as /tmp, counts as nobody's; a file of another user stays as it is.
    """
    with suppress(OSError):
        folder = path.parent.stat().st_mode
        if folder & stat.S_ISVTX or not folder & SHARED:
            return
        mine = path.stat().st_mode
        added = folder & (0o2077 if stat.S_ISDIR(mine) else 0o066)
        if added & ~mine:
            path.chmod(stat.S_IMODE(mine) | added)


def make_folder(path: Path) -> None:
    """Make a folder with all that lead to it; each has the rights of a shared one it lies in.

    Raises:
        OSError: It cannot be made, or a file is in its way.
    """
    missing = []
    while not path.is_dir() and path.parent != path:
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        share(folder)


def why(error: OSError) -> str:
    """Return the reason of a failed write with what to do about it."""
    reason = error.strerror or str(error)
    advice = ADVICE.get(error.errno or 0)
    return f"{reason}: {advice}" if advice else reason


def is_writable(folder: Path) -> bool:
    """Return whether files can be made in a folder that is there."""
    return os.access(folder, os.W_OK | os.X_OK)
