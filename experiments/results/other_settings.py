"""Finished runs of a table under other settings: which options to repeat for a report of them."""

import json
import shlex
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.experiment import PARTS
from experiments.tables.table import Table
from fedgroup.errors import FedgroupError
from fedgroup.settings.overrides import leaves, parse_yaml

MOST = 6
"""Runs that differ in more settings belong to another table."""

Settings = dict[str, Any]
"""Value by dotted path."""


def other_settings(table: Table, results: Path) -> str:
    """Return which options would report finished runs of a table; '' where there are none such."""
    wanted = [_flat(run.to_dict()) for run in table.experiments()]
    found: Counter[tuple[str, ...]] = Counter()
    seeds: dict[tuple[str, ...], set[int]] = {}
    for stored in _finished(results):
        nearest = min((_differences(stored, settings) for settings in wanted), key=len)
        if len(nearest) <= MOST:
            found[nearest] += 1
            seeds.setdefault(nearest, set()).add(stored.get("task.seed", 0))
    if not found:
        return ""
    chosen = min(found, key=lambda options: (len(options), -found[options]))
    options = [f"--set {shlex.quote(option)}" for option in chosen]
    if not seeds[chosen] & set(table.seeds):
        options.append(f"--seeds {','.join(map(str, sorted(seeds[chosen])))}")
    return f"{found[chosen]} finished runs of other settings are there: repeat {' '.join(options)}"


def _finished(results: Path) -> list[Settings]:
    """Return the settings of all finished runs whose spec can be read."""
    found = []
    for path in sorted(results.glob("*/spec.json")):
        if not (path.parent / "result.json").exists():
            continue
        try:
            spec = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(spec, dict):
            found.append(_flat({part: spec[part] for part in PARTS if part in spec}))
    return found


def _flat(settings: Mapping[str, Any]) -> Settings:
    return dict(leaves(json.loads(json.dumps(settings))))


def _differences(stored: Settings, wanted: Settings) -> tuple[str, ...]:
    """Return the assignments that turn wanted settings into stored ones, but for the seed."""
    return tuple(
        f"{path.removesuffix('.use')}={_text(value)}"
        for path, value in stored.items()
        if path != "task.seed" and (path not in wanted or wanted[path] != value)
    )


def _text(value: Any) -> str:
    """Return a value as it is written after --set."""
    if not isinstance(value, str):
        return json.dumps(value)
    try:
        plain = bool(value) and parse_yaml(value, "") == value
    except FedgroupError:
        plain = False
    return value if plain else json.dumps(value)
