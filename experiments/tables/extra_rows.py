"""Rows for somebody's own rule or method: one beside each distinct baseline of a table."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import strategies
from experiments.experiment import Experiment
from fedgroup.errors import FedgroupError
from fedgroup.spec import merge, parse, short_name, to_dict

if TYPE_CHECKING:
    from experiments.tables.table import Row

Kind = Literal["rule", "method"]


def added(rows: Sequence["Row"], text: str, kind: Kind) -> list["Row"]:
    """Rows for one more rule or method, labelled with its class and its settings.

    `text` is a name, an import path or a YAML mapping with `use`.
    """
    chosen = parse(text, f"--{kind}")
    if not isinstance(chosen, str | dict):
        raise FedgroupError(
            f"--{kind} '{text}' must be a name, an import path or a mapping with `use`"
        )
    made: dict[str, Row] = {}
    for row in rows:
        _refuse_other_kind(row, kind)
        baseline = row.baselines[0].id
        if baseline in made:
            continue
        over = {"federation": {"aggregator": chosen}} if kind == "rule" else {"method": chosen}
        runs = tuple(Experiment.of(merge(base.to_dict(), over)) for base in row.baselines)
        part = runs[0].federation.rule() if kind == "rule" else runs[0].method
        label = {**row.label, next(iter(row.label)): title(part)}
        made[baseline] = replace(row, label=label, experiments=runs, audited=True)
    return list(made.values())


def _refuse_other_kind(row: "Row", kind: Kind) -> None:
    if kind == "rule" and row.experiments[0].method is not None:
        raise FedgroupError(
            "--rule adds an aggregation rule, but this table trains centralized methods"
        )
    if kind == "method" and row.experiments[0].method is None:
        raise FedgroupError("--method adds a centralized method, but this table trains federations")


def title(part: Any) -> str:
    """What a component is called in a label: its class and the settings that are not its defaults.

    A Flower strategy goes by its own class and options.
    """
    name, settings = type(part).__name__, to_dict(part, defaults=False)
    if short_name(strategies.NAMES, type(part)) == "flower":
        name = part.strategy.rpartition(":")[2]
        settings = {**dict(part.options), **settings}
        settings = {
            key: value for key, value in settings.items() if key not in ("strategy", "options")
        }
    chosen = ", ".join(f"{key}={value}" for key, value in settings.items())
    return f"{name} ({chosen})" if chosen else name
