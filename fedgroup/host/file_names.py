"""Names of files and folders made from names that people give."""

import hashlib
import os
import re

LONGEST = 120
"""Bytes of a name: with our endings and a temporary one it fits every file system (255 bytes)."""
UNSAFE = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f\x85\u2028\u2029]+')
DEVICES = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{port}{n}" for port in ("com", "lpt") for n in range(10)),
}
"""Names that Windows keeps to itself."""


def file_name(name: str) -> str:
    """Return a name as that of a file or folder: itself, unless some file system would refuse it.

    Separators and line ends become '-'; a name that leads elsewhere ('..'), is hidden, reads
    as an option or is none gets '_' before it. One that was cut or changed ends in a digest of
    what it was, so that two names never share a file.
    """
    safe = UNSAFE.sub("-", name).rstrip(". ")
    if not safe or safe[0] in ".-~" or safe.lower().split(".")[0] in DEVICES:
        safe = f"_{safe.lstrip('.-~')}"
    if len(os.fsencode(safe)) > LONGEST:
        safe = os.fsencode(safe)[:LONGEST].decode(errors="ignore")
    if safe == name:
        return name
    return f"{safe}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"
