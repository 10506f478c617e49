"""Rows for a user's own rule or method: one beside each distinct baseline of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import strategies
from experiments.experiment import Experiment
from experiments.tables.table import Row
from fedgroup.errors import FedgroupError
from fedgroup.settings.overrides import merge, parse_yaml
from fedgroup.spec import short_name, to_dict

Kind = Literal["rule", "method"]


def extra_rows(rows: Sequence[Row], text: str, kind: Kind) -> list[Row]:
    """Return the rows of one more rule or method, labelled with its class and its settings.

    Args:
        rows: The rows that ship with the table.
        text: A name, an import path or a YAML mapping with `use`.
        kind: What `text` names.

    Returns:
        One row per distinct baseline, in the order of the rows.

    Raises:
        FedgroupError: `text` is none of these, or the table trains the other kind.
    """
    chosen = parse_yaml(text, f"--{kind}")
    if not isinstance(chosen, str | dict):
        raise FedgroupError(
            f"--{kind} '{text}' must be a name, an import path or a mapping with `use`"
        )
    by_baseline: dict[str, Row] = {}
    for row in rows:
        _refuse_other_kind(row, kind)
        baseline = row.baselines[0].id
        if baseline in by_baseline:
            continue
        over = {"federation": {"aggregator": chosen}} if kind == "rule" else {"method": chosen}
        runs = tuple(Experiment.of(merge(base.to_dict(), over)) for base in row.baselines)
        component = runs[0].federation.aggregator if kind == "rule" else runs[0].method
        label = {**row.label, next(iter(row.label)): component_title(component)}
        if _is_taken(label, rows, runs[0]):
            label[next(iter(label))] += f" [{_origin(component)}]"
        by_baseline[baseline] = replace(row, label=label, experiments=runs, audited=True)
    return list(by_baseline.values())


def _refuse_other_kind(row: Row, kind: Kind) -> None:
    if kind == "rule" and row.experiments[0].method is not None:
        raise FedgroupError(
            "--rule adds an aggregation rule, but this table trains centralized methods"
        )
    if kind == "method" and row.experiments[0].method is None:
        raise FedgroupError("--method adds a centralized method, but this table trains federations")


def _is_taken(label: Mapping[str, str], rows: Sequence[Row], run: Experiment) -> bool:
    """Return whether a row of the table that is another run has this label."""
    return any(row.label == label and row.experiments[0].id != run.id for row in rows)


def _origin(component: Any) -> str:
    """Return the import path by which two classes of one name are told apart."""
    if short_name(strategies.NAMES, type(component)) == "flower":
        return str(component.strategy)
    return f"{type(component).__module__}:{type(component).__qualname__}"


def component_title(component: Any) -> str:
    """Return what a label calls a component: its class and the settings that are not its defaults.

    A Flower strategy goes by its own class and options.
    """
    name, settings = type(component).__name__, to_dict(component, defaults=False)
    if short_name(strategies.NAMES, type(component)) == "flower":
        name = component.strategy.rpartition(":")[2]
        settings = {**dict(component.options), **settings}
        settings = {
            key: value for key, value in settings.items() if key not in ("strategy", "options")
        }
    chosen = ", ".join(f"{key}={value}" for key, value in settings.items())
    return f"{name} ({chosen})" if chosen else name
