"""Records to numbers: values per row and seed, their spread, and drops paired by seed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from experiments.experiment import Experiment
from experiments.results.finished_runs import result
from experiments.results.older_runs import kept_note
from experiments.results.probe_reports import probe_numbers
from experiments.results.statistics import Drop, Spread, paired_drop
from experiments.results.weak_rows import Weak, weak_bases, weak_runs
from experiments.tables.table import Row, Table
from fedgroup.attacks.attack import is_paired
from fedgroup.attacks.none import NoAttack
from fedgroup.errors import unknown
from fedgroup.model_selection import RULES

ACCURACIES = ("wga", "acc_adjusted", "acc")
RAW_ACC = ("celeba",)
"""Data sets on which the paper's ACC is plain accuracy.

Elsewhere it is group accuracies weighted by training samples, as its numbers on Waterbirds can only
be and as Sagawa et al. (ICLR 2020, appendix C.1) report it."""
NO_HEADROOM = 5.0
"""A drop from a baseline WGA under this many points says nothing."""

Values = dict[str, float]
"""Metric -> value of one run, in the metric's unit (experiments/report/metric_format.py)."""


@dataclass(frozen=True)
class Line:
    """One row of a report: values per seed and the drops against its baseline."""

    row: Row
    """The row of the table."""
    runs: tuple[Values | None, ...]
    """Values by seed, in the order of the table's seeds; None where the run is not finished."""
    drops: dict[str, Drop] | None
    """Metric -> paired drop; None for a baseline itself or where the baseline is missing."""
    flags: tuple[str, ...]
    """What to know of this row: failed rounds, no headroom, missing seeds."""
    bases: tuple[Values | None, ...] = ()
    """Values of the baselines by seed; None where there is none, or it is not finished."""
    weak: Weak = field(default_factory=dict)
    """Where too little stands behind the numbers, with the seeds."""
    weak_drops: Weak = field(default_factory=dict)
    """The same of the baselines, which only the drops rest on."""

    @property
    def values(self) -> dict[str, list[float]]:
        """Metric -> values of the finished seeds; empty where no seed has it."""
        metrics = dict.fromkeys(
            [*ACCURACIES, "asr", "asr_base", *(m for run in self.runs for m in run or ())]
        )
        return {metric: self._finished(metric) for metric in metrics}

    def spread(self, metric: str) -> Spread | None:
        """Return mean and standard deviation over finished seeds; None where there are none."""
        values = self._finished(metric)
        return Spread.of(values) if values else None

    def _finished(self, metric: str) -> list[float]:
        return [run[metric] for run in self.runs if run and metric in run]


def lines(table: Table, results: Path, select: str) -> list[Line]:
    """Read every row of a table under one selection rule.

    Args:
        table: The table.
        results: Folder of run directories.
        select: Selection rule: which round is reported.

    Returns:
        One line per row.

    Raises:
        FedgroupError: There is no such selection rule.
    """
    if select not in RULES:
        raise unknown("selection rule", select, RULES)
    return [_line(row, results, select) for row in table.rows]


def measured(experiment: Experiment, results: Path, select: str) -> Values | None:
    """Return the numbers of a finished run, most in percent.

    asr is the attack's success (for a paired attack the rate minus the clean run's), asr_base the
    rate of the clean run of the same seed, where the attack asks for one; 'group NAME' is the
    accuracy of a group.

    Args:
        experiment: The run.
        results: Folder of run directories.
        select: Selection rule: which round is reported.

    Returns:
        Values by metric, without those that are not known; None where the run is not finished.
    """
    stored = result(experiment, results)
    if stored is None:
        return None
    chosen = stored["selection"][select]
    values = {metric: float(chosen[metric]) for metric in ACCURACIES}
    raw = stored["dataset"]["name"] in RAW_ACC
    values["acc_paper"] = values["acc" if raw else "acc_adjusted"]
    for group, rate in zip(stored["dataset"]["groups"], chosen.get("groups") or (), strict=False):
        values |= {} if rate is None else {f"group {group}": float(rate)}
    for kind in ("idnf", "elmf"):
        rates = stored.get(kind) or {}
        values |= {f"{kind} {tier}": rate for tier, rate in rates.items() if rate is not None}
    if stored.get("minority_influence") is not None:
        values["minority_influence"] = float(stored["minority_influence"])
    values |= probe_numbers(results / experiment.id)
    return values | _attack_success(experiment, results, select, chosen.get("asr"))


def _attack_success(
    experiment: Experiment, results: Path, select: str, rate: float | None
) -> Values:
    """Return the attack's success, and the rate of the clean run where there is one."""
    clean, values = experiment.reference(), {}
    base = None
    if clean is not None and (reference := result(clean, results)) is not None:
        base = reference["selection"][select].get("asr")
    paired = is_paired(experiment.task.attack)
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
    flags = [*_failed_rounds(row, results), *_made_before(row)]
    if any(base and base["wga"] < NO_HEADROOM for base in bases):
        flags.append("no headroom")
    finished = sum(run is not None for run in runs)
    if 0 < finished < len(runs):
        flags.append(f"n={finished}/{len(runs)}")
    compared = () if is_baseline(row) else row.baselines
    return Line(
        row,
        runs,
        _drops(bases, runs) or None,
        tuple(dict.fromkeys(flags)),
        tuple(bases),
        weak_runs(row.experiments, results, select),
        weak_bases(row.experiments[: len(compared)], compared, results, select),
    )


def _drops(bases: Sequence[Values | None], runs: Sequence[Values | None]) -> dict[str, Drop]:
    """Return the paired drop of each metric over the seeds at which both runs have it."""
    pairs = [(base or {}, run or {}) for base, run in zip(bases, runs, strict=True)]
    drops = {}
    for metric in dict.fromkeys(m for run in runs for m in run or () if has_drop(m)):
        both = [(b[metric], r[metric]) for b, r in pairs if metric in b and metric in r]
        if both:
            drops[metric] = paired_drop([base for base, _ in both], [run for _, run in both])
    return drops


def _failed_rounds(row: Row, results: Path) -> list[str]:
    stored = [result(experiment, results) for experiment in row.experiments]
    return [
        f"{run['failed_rounds']} of {run['rounds']} rounds failed"
        for run in stored
        if run and run.get("failed_rounds")
    ]


def _made_before(row: Row) -> list[str]:
    """Return one flag per change since which a run of the row was kept with --stale."""
    runs = (*row.experiments, *row.baselines)
    return [note for run in runs if (note := kept_note(run))]


def is_baseline(row: Row) -> bool:
    """Return whether a row has no other to compare with: baselines, methods in a table of none."""
    return row.baselines[0].id == row.experiments[0].id


def has_drop(metric: str) -> bool:
    """Return whether a drop is taken of a metric."""
    return metric in (*ACCURACIES, "asr", "asr_base") or metric.startswith("group ")


def attacked(table: Table) -> bool:
    """Return whether some row of the table measures an attack."""
    return any(type(row.experiments[0].task.attack) is not NoAttack for row in table.rows)
