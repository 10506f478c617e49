"""Audit your own: a rule, method, attack or data set in a shipped table, with a verdict in the report."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.components.check import made, show_answers, spell
from experiments.components.families import Family
from experiments.results.measurements import is_baseline
from experiments.tables.extra_rows import title
from experiments.tables.table import Row, Table, load
from fedgroup.errors import FedgroupError

OPTIONS: dict[str, tuple[Family, ...]] = {
    "NAME": ("rule",),
    "--method": ("method",),
    "--attack": ("sample attack", "update attack"),
    "--dataset": ("data set",),
}
"""What each option of the command takes."""


def audit_table(
    given: Mapping[str, str | None],
    root: str | None,
    scale: str | None = None,
    seeds: Sequence[int] | None = None,
    assignments: Sequence[str] = (),
) -> Table:
    """The table of an audit, of one component by its option; checked against the contract where it is yours.

    Raises FedgroupError where not one is given, where it is of another family, and where a check fails.
    """
    option, text = _one(given)
    if root is not None and option != "--dataset":
        raise FedgroupError("--root names the folder of a data set: give it with --dataset")
    chosen, kind = spell(text)
    if kind not in OPTIONS[option]:
        right = next((name for name, kinds in OPTIONS.items() if kind in kinds), None)
        how = f"audit it with {right}" if right else "there is no audit of one"
        raise FedgroupError(
            f"'{text}' is a {kind}, and {option} takes a {' or '.join(OPTIONS[option])}: {how}"
        )
    if root is not None:
        chosen["root"] = str(Path(root).expanduser().resolve())
    component = made(chosen, kind)
    if ":" in text:
        _vet(component, kind, text)
    return _named(_table(chosen, kind, scale, seeds, assignments), component, kind)


def _one(given: Mapping[str, str | None]) -> tuple[str, str]:
    """Option and text of the one component that is given."""
    named = [(option, text) for option, text in given.items() if text is not None]
    if len(named) != 1:
        seen = " and ".join(option for option, _ in named) or "none"
        raise FedgroupError(f"give one of {', '.join(given)} to audit, got {seen}")
    return named[0]


def _vet(component: Any, kind: Family, text: str) -> None:
    """Refuse a component that breaks the contract; what was seen is printed."""
    failed = show_answers(component, kind, all_of_them=False)
    if failed:
        raise FedgroupError(
            f"{text} fails {len(failed)} of the checks of a {kind} ({', '.join(failed)}): mend it, see "
            f"`fedgroup check`, then audit it"
        )


def _table(
    chosen: Mapping[str, Any],
    kind: Family,
    scale: str | None,
    seeds: Sequence[int] | None,
    assignments: Sequence[str],
) -> Table:
    """The shipped table with the component in it."""
    own = json.dumps(chosen)
    if kind == "rule":
        return load("audit", scale, seeds, None, assignments, rules=[own])
    if kind == "method":
        return load("audit_method", scale, seeds, None, assignments, methods=[own])
    if kind == "data set":
        return load("audit", scale, seeds, chosen, assignments)
    if kind == "sample attack":
        return load(
            "audit_attack", scale, seeds, None, assignments, own={"task": {"attack": dict(chosen)}}
        )
    return load(
        "audit_update",
        scale,
        seeds,
        None,
        assignments,
        own={"federation": {"byzantine": dict(chosen)}},
    )


def _named(table: Table, component: Any, kind: Family) -> Table:
    """The table under a name of its own; of an attack or a data set, every compared row is audited."""
    name = title(component)
    rows = table.rows
    if kind not in ("rule", "method"):
        rows = tuple(row if is_baseline(row) else _audited(row, name, kind) for row in rows)
    short = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")
    return replace(
        table, name=f"{table.name}-{short}", title=f"Audit of {name}", rows=rows, paper={}
    )


def _audited(row: Row, name: str, kind: Family) -> Row:
    label = row.label if kind == "data set" else {**row.label, "ATTACK": name}
    return replace(row, label=label, audited=True)
