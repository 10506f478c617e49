"""Whether the spec.json of a run directory is that of the run whose name the directory has."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.experiment import PARTS, Experiment
from fedgroup.errors import FedgroupError
from fedgroup.identity.run_identity import ENTRY, directory_name, spec_changes
from fedgroup.identity.settings_id import settings_id
from fedgroup.methods.central_run import Central


def check_spec(folder: Path, experiment: Experiment) -> None:
    """Refuse a directory whose settings are not those of an experiment that has its name.

    Args:
        folder: The run directory.
        experiment: The run that it should be.

    Raises:
        FedgroupError: The line names the folder, what differs and what to do.
    """
    stored = _stored(folder)
    places = experiment.identity.places
    changed = spec_changes(stored, experiment.to_dict(), places)
    chosen = experiment.to_dict(defaults=False)
    if isinstance(chosen.get("method"), str):  # the default one, by its name alone
        chosen["method"] = {"use": chosen["method"]}
    changed = changed or spec_changes(chosen, stored, places)
    if changed and experiment.kept is None:
        told = f"spec.json is of other settings ({', '.join(changed[:3])})"
        raise FedgroupError(f"{_refused(folder, told)}, or keep it with --stale")
    _check_entry(folder, stored.get(ENTRY) or {})


def check_named(folder: Path) -> None:
    """Refuse a directory whose spec.json does not hash to its name.

    Args:
        folder: The run directory.

    Raises:
        FedgroupError: The line names the folder, why and what to do.
    """
    stored = _stored(folder)
    if entry := stored.get(ENTRY):
        _check_entry(folder, entry)
        return
    run = Experiment.of({key: value for key, value in stored.items() if key in PARTS})
    how = {"federation": run.federation} if run.method is None else {"central": Central(run.method)}
    _compare(folder, settings_id({"task": run.task, **how}, ()))


def _check_entry(folder: Path, entry: Mapping[str, Any]) -> None:
    if entry:
        _compare(folder, directory_name(str(entry.get("settings")), entry))


def _compare(folder: Path, name: str) -> None:
    if name != folder.resolve().name:
        raise _refused(folder, f"spec.json is that of run {name}")


def _stored(folder: Path) -> dict[str, Any]:
    try:
        stored = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise _refused(folder, f"spec.json cannot be read ({why})") from error
    if not isinstance(stored, dict):
        raise _refused(folder, "spec.json holds no settings")
    return stored


def _refused(folder: Path, reason: str) -> FedgroupError:
    return FedgroupError(
        f"{folder}: {reason}; its numbers are not used: delete the folder and run again"
    )
