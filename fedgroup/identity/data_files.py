"""The files that components read, by content: data sets, partitions, starting weights.

A component says which files it reads with a method `files()`, and which of its settings say where
they lie with a class variable `place_settings`. Of a component that does not ship with fedgroup and
has no such method, every setting that names a file or folder is read: a path, or the bare name of
one in a setting called root, path, file, folder, ...
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from fedgroup.errors import FedgroupError
from fedgroup.identity.file_contents import digest_files, files_below
from fedgroup.identity.source_code import is_ours
from fedgroup.settings.settings_cache import cached_by_settings

UNREAD = "cannot be read here"
"""Stands for the content of files that cannot be had: a run of them does not start."""
PLACES = ("root", "path", "file", "folder", "dir", "directory", "weights", "checkpoint")
"""Settings whose value may be the bare name of a file or folder."""


@dataclass(frozen=True)
class Content:
    """What a component reads."""

    digest: str
    """Digest of the names and the contents of its files."""
    places: tuple[str, ...]
    """Its settings that say where they lie."""


def components(parts: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return every dataclass of settings in a spec with its dotted path, the outer ones first."""
    found: list[tuple[str, Any]] = []
    waiting = [(name, part) for name, part in parts.items() if part is not None]
    while waiting:
        path, part = waiting.pop(0)
        found.append((path, part))
        waiting += [
            (f"{path}.{field.name}", value)
            for field in fields(part)
            if is_dataclass(value := getattr(part, field.name)) and not isinstance(value, type)
        ]
    return found


@cached_by_settings(maxsize=64)
def content_of(part: Any) -> Content | None:
    """Return the content of the files that a component reads; None where it reads none.

    It is looked at once in a process, until `look_again`.
    """
    found = _own_files(part) if says_files(part) else _named_files(part)
    if found is not None:
        _SEEN.append((part, found))
    return found


_SEEN: list[tuple[Any, Content]] = []
"""Components whose files were looked at, with what was found."""


def look_again() -> bool:
    """Look at files anew from now on; return whether some have changed since they were read."""
    before, _SEEN[:] = list(_SEEN), []
    content_of.cache_clear()
    return any(content_of(part) != found for part, found in before)


def says_files(part: Any) -> bool:
    """Return whether a component says itself which files it reads."""
    return callable(getattr(type(part), "files", None))


def files_of(part: Any) -> tuple[Path, list[Path]]:
    """Return the files that a component says it reads, and the folder that all lie below."""
    paths = [Path(path).expanduser().absolute() for path in part.files()]
    return Path(os.path.commonpath([path.parent for path in paths] or [Path("/")])), paths


def _own_files(part: Any) -> Content | None:
    """Return the content of the files that a component says it reads."""
    named = getattr(type(part), "place_settings", ())
    places = tuple(name for name in named if getattr(part, name, None))
    try:
        root, paths = files_of(part)
        return Content(digest_files(root, paths), places) if paths else None
    except (FedgroupError, OSError):
        return Content(UNREAD, places)


def _named_files(part: Any) -> Content | None:
    """Return the content of the files that settings of a user's component name."""
    if is_ours(type(part).__module__):
        return None
    digests, places = [], []
    for field in fields(part):
        path = _as_place(field.name, getattr(part, field.name))
        if path is not None:
            below = files_below(path) if path.is_dir() else [path]
            root = path if path.is_dir() else path.parent
            digests.append(f"{field.name}={digest_files(root, below)}")
            places.append(field.name)
    return Content(" ".join(digests), tuple(places)) if places else None


def _as_place(name: str, value: Any) -> Path | None:
    """Return the file or folder that a setting names; None where it names none."""
    if not isinstance(value, str | Path) or not str(value):
        return None
    path = Path(value).expanduser()
    looks = "/" in str(value) or "\\" in str(value) or path.suffix or name.lower() in PLACES
    try:
        return path if looks and path.exists() else None
    except OSError:
        return None
