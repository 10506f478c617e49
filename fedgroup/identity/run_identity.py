"""What a run is named by besides its settings, and how a change of it is named.

The settings say what was asked for. What was run depends also on the code of components that do not
ship with fedgroup, on the content of files that a setting names, and on the version of our own
arithmetic. A run without any of these is named by the hash of its settings alone, as ever; any
other by the hash of settings, code, files and versions. Places (a data set's root, a partition
file) do not enter: the content does.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from fedgroup.identity.data_files import UNREAD, components, content_of
from fedgroup.identity.results_version import RESULTS_VERSION
from fedgroup.identity.settings_id import settings_id, without
from fedgroup.identity.source_code import (
    Digests,
    differing,
    is_ours,
    source_of,
    source_of_named,
    texts,
)

ENTRY = "identity"
"""Key of the identity in spec.json; runs made before there were identities have none."""
IDLE = (
    "fedgroup.attacks.none",
    "fedgroup.attacks.malicious_clients",
    "fedgroup.attacks.updates.independent:Honest",
)
"""Components of ours that do nothing by themselves: their family's version is not theirs."""


@dataclass(frozen=True)
class Identity:
    """What a run is named by."""

    settings: str
    """Hash of the settings, without places whose content is in `files`."""
    code: Digests
    """Digest of each source file of components that are not ours."""
    files: dict[str, str]
    """Digest of the files that a component reads, by its path in the spec."""
    versions: dict[str, int]
    """Results versions that are not 1."""
    places: tuple[str, ...] = ()
    """Dotted paths of settings that say where files lie: no part of the id."""
    plain: str = ""
    """Hash of all settings, places too: the name of a run made before there were identities."""

    @property
    def id(self) -> str:
        """Name of the run directory, 12 hex digits."""
        return directory_name(self.settings, self.entry())

    def entry(self) -> dict[str, Any]:
        """Return what stands in spec.json under `identity`; empty where settings say all."""
        if not (self.code or self.files or self.versions):
            return {}
        facts: dict[str, Any] = {"settings": self.settings, "code": self.code, "files": self.files}
        return facts | {"versions": self.versions}

    def spec(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return what spec.json holds: the full settings, and the identity where there is one."""
        entry = self.entry()
        return {**settings, ENTRY: entry} if entry else dict(settings)

    def changed_since(self, stored: Mapping[str, Any]) -> list[str]:
        """Name what differs from a stored spec of the same settings: code, files, versions."""
        entry = stored.get(ENTRY) or {}
        old: dict[str, int] = entry.get("versions", {})
        files = differing(entry.get("files", {}), self.files)
        return [
            *differing(entry.get("code", {}), self.code),
            *(f"files of {n}" + " (not here)" * (self.files.get(n) == UNREAD) for n in files),
            *(
                f"fedgroup's results_version of {name}"
                for name in sorted({*old, *self.versions})
                if old.get(name, 1) != self.versions.get(name, 1)
            ),
        ]


def identity(parts: Mapping[str, Any]) -> Identity:
    """Return what a run is named by.

    Args:
        parts: Its task and federation, or its task and how it is trained centrally, by name.

    Raises:
        FedgroupError: where the source of a component is not to be had.
    """
    code, files, versions, places = _evidence(parts)
    versions |= versions_of("fedgroup.train")
    versions |= versions_of("strategies.server" if "federation" in parts else "fedgroup.methods")
    return Identity(
        settings_id(parts, places),
        code,
        {path.removeprefix("central."): digest for path, digest in files.items()},
        versions,
        tuple(place.removeprefix("central.") for place in places),
        settings_id(parts),
    )


def _evidence(
    parts: Mapping[str, Any],
) -> tuple[Digests, dict[str, str], dict[str, int], list[str]]:
    """Return code, files, versions and places of all components in a spec."""
    code: Digests = {}
    files: dict[str, str] = {}
    versions: dict[str, int] = {}
    places: list[str] = []
    for path, part in components(parts):
        code |= code_of(part)
        versions |= versions_of_component(part)
        content = content_of(part)
        if content is not None:
            files[path] = content.digest
            places += [f"{path}.{name}" for name in content.places]
    return code, files, versions, places


def run_id(parts: Mapping[str, Any]) -> str:
    """Return the name of a run's directory, of its task and federation, or task and method."""
    return identity(parts).id


def directory_name(settings: str, entry: Mapping[str, Any]) -> str:
    """Return the name of a run directory: the hash of its settings, or of its whole identity."""
    if not entry:
        return settings
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def spec_changes(
    stored: Mapping[str, Any], wanted: Mapping[str, Any], places: Iterable[str] = ()
) -> list[str]:
    """Name the settings of a stored spec that are not those of the wanted one.

    Args:
        stored: Full settings, as spec.json holds them.
        wanted: Full settings of today; one that the stored run did not have yet does not count.
        places: Dotted paths of settings that say where files lie, which do not count either.

    Returns:
        One phrase per setting.
    """
    old = without(stored, [ENTRY, *places])
    return _differences(old, json.loads(json.dumps(without(wanted, [ENTRY, *places]))), "")


def _differences(old: Any, new: Any, where: str) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        return [  # a setting newer than the run has its default: the directory's name says so
            line
            for key in sorted(old)
            for line in _differences(old.get(key), new.get(key), f"{where}.{key}" if where else key)
        ]
    return [] if old == new else [f"{where} was {old!r}, is {new!r} now"]


def beyond_settings(part: Any) -> dict[str, Any]:
    """Return what the effect of a component depends on besides its settings; mostly nothing.

    That is its code where it is not ours, the content of its files, results versions that are not
    1: plain values, for the key of a stored result.
    """
    code, files, versions, _ = _evidence({"part": part})
    found = {"code": code, "files": files, "versions": versions}
    return {name: value for name, value in found.items() if value}


def content_digest(part: Any) -> str:
    """Return the hash of `beyond_settings`; empty where settings say all."""
    found = beyond_settings(part)
    text = json.dumps(found, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12] if found else ""


def code_of(part: Any) -> Digests:
    """Return the source of a component that is not ours, and of classes that its settings name."""
    code = dict(source_of(type(part)))
    for text in texts(part):
        code |= source_of_named(text)
    return code


def code_of_function(function: Any) -> Digests:
    """Return the source of a function that is not ours; of a partial one, that of its function."""
    function = getattr(function, "func", function)
    target = function if isinstance(function, FunctionType) else type(function)
    return source_of(target)


def component_path(part: Any) -> str:
    """Return the import path of a component's class."""
    return f"{type(part).__module__}:{type(part).__qualname__}"


def versions_of_component(part: Any) -> dict[str, int]:
    """Return the results versions, where not 1, of what a component of ours rests on."""
    cls, name = type(part), component_path(part)
    if not is_ours(cls.__module__) or name.startswith(IDLE):
        return {}
    own = getattr(part, "results_version", getattr(cls, "picture_version", 1))
    return versions_of(cls.__module__) | ({} if own == 1 else {name: own})


def versions_of(module: str) -> dict[str, int]:
    """Return the results versions, where not 1, of a module and the packages that it lies in."""
    names = module.split(".")
    above = (".".join(names[:depth]) for depth in range(1, len(names) + 1))
    return {name: v for name in above if (v := RESULTS_VERSION.get(name, 1)) != 1}
