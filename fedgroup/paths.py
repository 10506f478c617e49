"""Where derived files live. Everything here may be deleted at any time; it is made again."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """Folder of decoded banks: $FEDGROUP_CACHE, else the user's cache folder + /fedgroup."""
    chosen = os.environ.get("FEDGROUP_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "fedgroup"
