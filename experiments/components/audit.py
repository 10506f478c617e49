"""Audit a user's own component: a shipped table with it in it, and a verdict in the report."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.components.check import build_component, parse_component, print_answers
from experiments.components.families import Family
from experiments.results.measurements import is_baseline
from experiments.tables.extra_rows import component_title
from experiments.tables.load import load
from experiments.tables.table import Row, Table
from fedgroup.errors import FedgroupError
from fedgroup.guards.kinds import Kind

OPTIONS: dict[str, tuple[Kind, ...]] = {
    "NAME": ("rule",),
    "--method": ("method",),
    "--attack": ("sample attack", "update attack"),
    "--dataset": ("data set",),
}
"""What each option of the command takes."""


def audit_table(
    asked: Mapping[str, str | None],
    root: str | None,
    scale: str | None = None,
    seeds: Sequence[int] | None = None,
    assignments: Sequence[str] = (),
) -> Table:
    """Return the table of an audit of one component; check the contract of one that is not ours.

    Args:
        asked: Text of each of OPTIONS; all but one are None.
        root: Folder of the data set's files, for --dataset alone.
        scale: Size of the table's runs; default: the table's own.
        seeds: Seeds of every row; default: the table's own.
        assignments: Settings over those of every row.

    Returns:
        The shipped table of its family with the component in it, under a name of its own.

    Raises:
        FedgroupError: Not one is given, it is of another family, or a check of its contract fails.
    """
    option, text = _one(asked)
    if root is not None and option != "--dataset":
        raise FedgroupError("--root names the folder of a data set: give it with --dataset")
    chosen, family = parse_component(text)
    if family.kind not in OPTIONS[option]:
        right = next((name for name, kinds in OPTIONS.items() if family.kind in kinds), None)
        how = f"audit it with {right}" if right else "there is no audit of one"
        raise FedgroupError(
            f"'{text}' is a {family.kind}, and {option} takes a {' or '.join(OPTIONS[option])}: "
            f"{how}"
        )
    if root is not None:
        chosen["root"] = str(Path(root).expanduser().resolve())
    component = build_component(chosen, family)
    if ":" in text:
        _refuse_broken(component, family, text)
    table = _table(chosen, family.kind, scale, seeds, assignments)
    return _named(table, component_title(component), family.kind)


def _one(asked: Mapping[str, str | None]) -> tuple[str, str]:
    """Return the option and the text of the one component that is given."""
    named = [(option, text) for option, text in asked.items() if text is not None]
    if len(named) != 1:
        seen = " and ".join(option for option, _ in named) or "none"
        raise FedgroupError(f"give one of {', '.join(asked)} to audit, got {seen}")
    return named[0]


def _refuse_broken(component: Any, family: Family, text: str) -> None:
    """Refuse a component that breaks its contract; what was seen is printed."""
    failed = print_answers(component, family, all_of_them=False)
    if failed:
        raise FedgroupError(
            f"{text} fails {len(failed)} of the checks of a {family.kind} ({', '.join(failed)}): "
            f"mend it, see `fedgroup check`, then audit it"
        )


def _table(
    chosen: Mapping[str, Any],
    kind: Kind,
    scale: str | None,
    seeds: Sequence[int] | None,
    assignments: Sequence[str],
) -> Table:
    """Return the shipped table of a family with the component in it."""
    text = json.dumps(chosen)
    if kind == "rule":
        return load("audit", scale, seeds, None, assignments, rules=[text])
    if kind == "method":
        return load("audit_method", scale, seeds, None, assignments, methods=[text])
    if kind == "data set":
        return load("audit", scale, seeds, chosen, assignments)
    if kind == "sample attack":
        own = {"task": {"attack": dict(chosen)}}
        return load("audit_attack", scale, seeds, None, assignments, own=own)
    own = {"federation": {"byzantine": dict(chosen)}}
    return load("audit_update", scale, seeds, None, assignments, own=own)


def _named(table: Table, name: str, kind: Kind) -> Table:
    """Return the table under the component's name.

    Of an attack or a data set, every row that is compared with another is audited.
    """
    rows = table.rows
    if kind not in ("rule", "method"):
        rows = tuple(row if is_baseline(row) else _audited(row, name, kind) for row in rows)
    # 'm=-1' and 'm=1' are two audits
    short = re.sub(r"(?:[^\w.]|_)+", "-", name.replace("=-", "=minus-")).strip("-")
    return replace(
        table, name=f"{table.name}-{short}", title=f"Audit of {name}", rows=rows, paper={}
    )


def _audited(row: Row, name: str, kind: Kind) -> Row:
    label = row.label if kind == "data set" else {**row.label, "ATTACK": name}
    return replace(row, label=label, audited=True)
