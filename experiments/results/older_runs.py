"""Finished runs of the same settings whose code, files or versions of ours have changed since.

Such a run has another name, so that its numbers are never taken for those of today. It is named
where its table is shown, run or reported; `--stale` keeps it in place of a run that is missing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.experiment import Experiment
from experiments.tables.labels import labelled
from experiments.tables.table import Row, Table
from fedgroup.errors import FedgroupError
from fedgroup.identity.run_identity import ENTRY, Identity, spec_changes
from fedgroup.runs.run_directory import RESULT
from fedgroup.storage import read_json


@dataclass(frozen=True)
class Older:
    """A finished run that is not the one asked for, only because something has changed since."""

    folder: Path
    changed: tuple[str, ...]
    """Names of source files, of settings that name files, of packages of ours."""


class OlderRuns:
    """The finished runs in a folder of results, found by their settings alone."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self._specs: dict[str, list[tuple[Path, dict[str, Any]]]] | None = None

    def __call__(self, found: Identity) -> str:
        """Return the directory's name of a run, or of the older one that stands for it."""
        older = self.of(found)
        return found.id if older is None else older.folder.name

    def of(self, found: Identity) -> Older | None:
        """Return the newest older run of the same settings; None beside one of today."""
        if not found.entry() or (self.results / found.id / RESULT).exists():
            return None
        candidates = [*self._by_settings().get(found.settings, ()), *self._plain(found)]
        if not candidates:
            return None
        folder, spec = max(candidates, key=lambda one: (one[0] / RESULT).stat().st_mtime_ns)
        return Older(folder, tuple(found.changed_since(spec)))

    def _plain(self, found: Identity) -> list[tuple[Path, dict[str, Any]]]:
        """Return the run of these settings that recorded no identity."""
        folder = self.results / found.plain
        spec = _finished_spec(folder)
        return [] if spec is None or ENTRY in spec else [(folder, spec)]

    def _by_settings(self) -> dict[str, list[tuple[Path, dict[str, Any]]]]:
        """Return the finished runs with an identity, by the hash of their settings."""
        if self._specs is None:
            self._specs = {}
            for path in sorted(self.results.glob("*/spec.json")):
                spec = _finished_spec(path.parent)
                entry = (spec or {}).get(ENTRY)
                if spec is not None and isinstance(entry, dict):
                    key = str(entry.get("settings"))
                    self._specs.setdefault(key, []).append((path.parent, spec))
        return self._specs


def _finished_spec(folder: Path) -> dict[str, Any] | None:
    """Return the spec of a finished run; None where there is none that can be read."""
    if not (folder / RESULT).exists():
        return None
    try:
        spec = read_json(folder / "spec.json")
    except FedgroupError:
        return None
    return spec if isinstance(spec, dict) else None


def keeping(table: Table, results: Path) -> Table:
    """Return a table in which older runs stand for those that are missing (`--stale`)."""
    kept = OlderRuns(results)

    def of(runs: Iterable[Experiment]) -> tuple[Experiment, ...]:
        return tuple(replace(run, kept=kept) for run in runs)

    def row(old: Row) -> Row:
        return replace(old, experiments=of(old.experiments), baselines=of(old.baselines))

    return replace(table, rows=tuple(row(old) for old in table.rows))


def kept_note(experiment: Experiment) -> str:
    """Return what is wrong with the run that is kept for this one; empty where it is today's."""
    if not isinstance(experiment.kept, OlderRuns):
        return ""
    older = experiment.kept.of(experiment.identity)
    if older is not None:
        return f"made before {', '.join(older.changed)} changed"
    spec = _finished_spec(experiment.kept.results / experiment.id) or {}
    defaults = spec_changes(spec, experiment.to_dict(), experiment.identity.places)
    return f"made with other defaults ({', '.join(defaults)})" if defaults else ""


def changes(tables: Sequence[Table], results: Path) -> list[str]:
    """Return one line per change since which there are finished runs that are not used."""
    runs = OlderRuns(results)
    counted: dict[tuple[str, ...], dict[str, str]] = {}
    for table in tables:
        for experiment, label in labelled(table):
            older = None if experiment.kept is not None else runs.of(experiment.identity)
            if older is not None:
                counted.setdefault(older.changed, {})[experiment.id] = label
    return [_line(changed, list(labels.values())) for changed, labels in counted.items()]


def _line(changed: Sequence[str], labels: Sequence[str]) -> str:
    """Return the line about one change and the runs that it concerns."""
    verb = "has" if len(changed) == 1 else "have"
    named = ", ".join(labels[:2]) + (f" and {len(labels) - 2} more" if len(labels) > 2 else "")
    which = "this run" if len(labels) == 1 else "these runs"
    return (
        f"{', '.join(changed)} {verb} changed since {which}: run again or keep with --stale "
        f"({named})"
    )
