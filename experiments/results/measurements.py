"""Records to numbers: values per row and seed, their spread, and drops joined with the baseline's by seed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.experiment import Experiment
from experiments.results import probe_values
from experiments.results.statistics import Drop, Spread, paired_drop
from experiments.results.store import result
from experiments.tables.table import Row, Table
from fedgroup.attacks.none import NoAttack
from fedgroup.errors import unknown
from fedgroup.model_selection import RULES

ACCURACIES = ("wga", "acc_adjusted", "acc")
RAW_ACC = ("celeba",)
"""Data sets on which the paper's ACC is plain accuracy; elsewhere it is weighted (spec group_methods D1)."""
NO_HEADROOM = 5.0
"""A drop from a baseline WGA under this many points says nothing (spec federated 4)."""

Values = dict[str, float]
"""Metric -> value of one run, in the metric's unit (experiments/report/metric_format.py)."""


@dataclass(frozen=True)
class Line:
    """One row of a report: values per seed and the drops against its baseline."""

    row: Row
    runs: tuple[Values | None, ...]
    """Values by seed, in the order of the table's seeds; None where the run is not finished."""
    drops: dict[str, Drop] | None
    """Metric -> paired drop; None for a baseline itself or where the baseline is missing."""
    flags: tuple[str, ...]

    @property
    def values(self) -> dict[str, list[float]]:
        """Metric -> values of the finished seeds; empty where no seed has it."""
        known = dict.fromkeys(
            [*ACCURACIES, "asr", "asr_base", *(m for run in self.runs for m in run or ())]
        )
        return {
            metric: [run[metric] for run in self.runs if run and metric in run] for metric in known
        }

    def spread(self, metric: str) -> Spread | None:
        """Mean and std over finished seeds; None where there are none."""
        found = [run[metric] for run in self.runs if run and metric in run]
        return Spread.of(found) if found else None


def lines(table: Table, results: Path, select: str) -> list[Line]:
    """Read every row of a table under one selection rule."""
    if select not in RULES:
        raise unknown("selection rule", select, RULES)
    return [_line(row, results, select) for row in table.rows]


def measured(experiment: Experiment, results: Path, select: str) -> Values | None:
    """Numbers of a finished run, most in percent; None where it is not finished.

    asr is the attack's success (for a paired attack the rate minus the clean run's), asr_base the rate of
    the clean run of the same seed, where the attack asks for one; 'group NAME' is the accuracy of a group.
    What is unknown is left out.
    """
    found = result(experiment, results)
    if found is None:
        return None
    chosen = found["selection"][select]
    values = {metric: float(chosen[metric]) for metric in ACCURACIES}
    raw = found["dataset"]["name"] in RAW_ACC
    values["acc_paper"] = values["acc" if raw else "acc_adjusted"]
    for group, rate in zip(found["dataset"]["groups"], chosen.get("groups") or (), strict=False):
        values |= {} if rate is None else {f"group {group}": float(rate)}
    for kind in ("idnf", "elmf"):
        rates = found.get(kind) or {}
        values |= {f"{kind} {cell}": rate for cell, rate in rates.items() if rate is not None}
    if found.get("minority_influence") is not None:
        values["minority_influence"] = float(found["minority_influence"])
    values |= probe_values.values(results / experiment.id)
    return values | _attack_success(experiment, results, select, chosen.get("asr"))


def _attack_success(
    experiment: Experiment, results: Path, select: str, rate: float | None
) -> Values:
    clean, values = experiment.reference(), {}
    base = None
    if clean is not None and (reference := result(clean, results)) is not None:
        base = reference["selection"][select].get("asr")
    paired = getattr(experiment.task.attack, "paired", False)
    if base is not None:
        values["asr_base"] = float(base)
    if rate is not None and (base is not None or not paired):
        values["asr"] = float(rate) - float(base) if paired and base is not None else float(rate)
    return values


def _line(row: Row, results: Path, select: str) -> Line:
    runs = tuple(measured(experiment, results, select) for experiment in row.experiments)
    bases = [measured(baseline, results, select) for baseline in row.baselines]
    if is_baseline(row):
        bases = [None] * len(runs)
    drops = {}
    compared = [m for m in dict.fromkeys(m for run in runs for m in run or ()) if has_drop(m)]
    for metric in compared:
        pairs = [(b or {}, r or {}) for b, r in zip(bases, runs, strict=True)]
        both = [(b[metric], r[metric]) for b, r in pairs if metric in b and metric in r]
        if both:
            drops[metric] = paired_drop([b for b, _ in both], [r for _, r in both])
    flags = []
    for experiment in row.experiments:
        found = result(experiment, results)
        if found and found.get("failed_rounds"):
            flags.append(f"{found['failed_rounds']} of {found['rounds']} rounds failed")
    if any(b and b["wga"] < NO_HEADROOM for b in bases):
        flags.append("no headroom")
    finished = sum(run is not None for run in runs)
    if 0 < finished < len(runs):
        flags.append(f"n={finished}/{len(runs)}")
    return Line(row, runs, drops or None, tuple(dict.fromkeys(flags)))


def is_baseline(row: Row) -> bool:
    """True for rows without another one to compare with: baselines, and methods in a table without any."""
    return row.baselines[0].id == row.experiments[0].id


def has_drop(metric: str) -> bool:
    """True for metrics of which a drop is taken."""
    return metric in (*ACCURACIES, "asr", "asr_base") or metric.startswith("group ")


def attacked(table: Table) -> bool:
    """True where some row of the table measures an attack."""
    return any(type(row.experiments[0].task.attack) is not NoAttack for row in table.rows)


def frame(table: Table, results: Path) -> pd.DataFrame:
    """One line per row, seed and selection rule: raw values and paired differences."""
    records = []
    for row in table.rows:
        runs = zip(table.seeds, row.experiments, row.baselines, strict=True)
        for seed, experiment, baseline in runs:
            found = result(experiment, results)
            for select in RULES if found else ():
                values = measured(experiment, results, select) or {}
                record = {
                    **row.label,
                    "seed": seed,
                    "selection": select,
                    "run": experiment.id,
                    **values,
                }
                record["round"] = found["selection"][select].get("round")  # type: ignore[index]
                if not is_baseline(row):
                    other = measured(baseline, results, select) or {}
                    record |= {
                        f"{m}_drop": other[m] - values[m]
                        for m in values
                        if m in other and has_drop(m)
                    }
                records.append(record)
    return pd.DataFrame(records)


def summary_frame(table: Table, results: Path) -> pd.DataFrame:
    """One line per row and selection rule: mean, std, n, unpaired std and t interval of each drop."""
    records = []
    for select in RULES:
        found = lines(table, results, select)
        known = [*ACCURACIES, *(["asr"] if attacked(table) else [])]
        known = list(
            dict.fromkeys([*known, *(m for line in found for m in line.values if line.values[m])])
        )
        for line in found:
            finished = sum(run is not None for run in line.runs)
            record: dict[str, Any] = {**line.row.label, "selection": select, "n": finished}
            for metric in known:
                spread = line.spread(metric)
                record |= {
                    metric: spread.mean if spread else None,
                    f"{metric}_std": spread.std if spread else None,
                }
                if line.drops and metric in line.drops:
                    drop = line.drops[metric]
                    record |= {
                        f"{metric}_drop": drop.spread.mean,
                        f"{metric}_drop_std": drop.spread.std,
                        f"{metric}_drop_unpaired_std": drop.unpaired_std,
                        f"{metric}_drop_low95": drop.low,
                        f"{metric}_drop_high95": drop.high,
                    }
            record["notes"] = "; ".join(line.flags)
            records.append(record)
    return pd.DataFrame(records)
