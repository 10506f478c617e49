"""Reports of probes, each bound to the run that it measured; one that is not is left out and named.

Reports of 0.1.0 do not say whom they measured: of them only the numbers are checked.
"""

import json
import math
from pathlib import Path
from typing import Any

from fedgroup.errors import FedgroupError
from fedgroup.identity.run_identity import beyond_settings, component_path
from fedgroup.probes.probe import Probe
from fedgroup.runs.record_digests import FILES, RUN
from fedgroup.runs.run_directory import RESULT
from fedgroup.spec import build, imported

MEASURED = "measured"
"""Key of a report: the run's id, and the digest of the model that was measured."""
MADE_BY = "made_by"
"""Key of a report: the probe's class, its code where it is not ours, versions that are not 1."""
MODEL = "best.npz"

_READ: dict[Path, tuple[tuple[int, int, int], dict[str, Any] | FedgroupError]] = {}


def measured_model(run: Path, result: dict[str, Any]) -> dict[str, str | None]:
    """Return what binds a report to a run: its name and the digest of its model."""
    return {RUN: run.resolve().name, MODEL: (result.get(FILES) or {}).get(MODEL)}


def made_by(probe: Probe) -> dict[str, Any]:
    """Return what tells a probe from another of the same settings: its class, code and versions."""
    return {"use": component_path(probe), **beyond_settings(probe)}


def probe_report(path: Path) -> dict[str, Any] | None:
    """Return a probe's report; None where there is none, or none that can be used."""
    found = _read(path)
    return None if isinstance(found, FedgroupError) else found


def probe_remarks(run: Path) -> list[str]:
    """Return why reports of probes on a run are left out."""
    found = [_read(path) for path in sorted(run.glob("probe-*.json"))]
    return [str(report) for report in found if isinstance(report, FedgroupError)]


def probe_numbers(run: Path) -> dict[str, float]:
    """Return the numbers of all probes that measured a run, by name."""
    numbers: dict[str, float] = {}
    for path in sorted(run.glob("probe-*.json")):
        numbers |= (probe_report(path) or {}).get("values", {})
    return numbers


def _read(path: Path) -> dict[str, Any] | FedgroupError | None:
    """Read a report once, as long as it and the run's result stay as they are."""
    if not path.exists():
        return None
    result = path.with_name(RESULT)
    stamp = path.stat()
    key = (stamp.st_mtime_ns, stamp.st_size, result.stat().st_mtime_ns if result.exists() else 0)
    known = _READ.get(path)
    if known is None or known[0] != key:
        known = _READ[path] = (key, _checked(path))
    return known[1]


def _checked(path: Path) -> dict[str, Any] | FedgroupError:
    again = "its numbers are not used: delete it and run the table again, or `fedgroup probe`"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        values = report.get("values", {})
        wrong = [name for name, value in values.items() if not _is_number(value)]
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        return FedgroupError(f"{path} cannot be read ({error}); {again}")
    if wrong:
        return FedgroupError(f"{path}: {wrong[0]} is not a finite number; {again}")
    bound = report.get(MEASURED)
    if bound is not None and bound != _expected(path):
        return FedgroupError(f"{path} measured another run or another model; {again}")
    if not _still_made_by(report):
        return FedgroupError(f"{path}: the probe that measured it has changed since; {again}")
    return dict(report)


def _still_made_by(report: dict[str, Any]) -> bool:
    """Return whether the probe of a report is today what it was; one of 0.1.0 does not say."""
    stored = report.get(MADE_BY)
    if stored is None:
        return True
    try:
        probe = build(imported(str(stored["use"])), report["settings"])
        return bool(made_by(probe) == stored)
    except (FedgroupError, KeyError, TypeError):
        return False


def _expected(path: Path) -> dict[str, str | None] | None:
    try:
        result = json.loads(path.with_name(RESULT).read_text(encoding="utf-8"))
        return measured_model(path.parent, result)
    except (OSError, ValueError, AttributeError):
        return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
