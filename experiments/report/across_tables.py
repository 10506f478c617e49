"""What several tables say together: who pays for defences, what amplification gives attackers."""

from collections import Counter
from collections.abc import Sequence

from experiments.report.changes import Change, paired_change
from experiments.report.metric_format import number
from experiments.report.summary import cases, no_headroom, payer
from experiments.results.measurements import Line
from experiments.tables.table import Table
from fedgroup.methods import NAMES
from fedgroup.spec import short_name

CHANGES = {"asr": "attack success", "wga": "WGA", "acc_adjusted": "ACC"}
Changes = dict[str, float]
"""Metric -> change of one row in points, positive = higher."""
Tables = Sequence[tuple[Table, Sequence[Line]]]


def overall(tables: Tables) -> list[str]:
    """Return sentences over all tables, each shared run counted once; none for a single table."""
    if len(tables) < 2:
        return []
    return [*_defences(tables), *_interventions(tables)]


def _defences(tables: Tables) -> list[str]:
    """Say what the defences against FedAvg change, and which group pays most often."""
    by_run: dict[str, Changes] = {}
    payers: dict[str, str] = {}
    for table, lines in tables:
        for line in lines:
            drops = line.drops or {}
            if table.against != "FedAvg" or "wga" not in drops or no_headroom(line):
                continue
            run, most = line.row.experiments[0].id, payer(drops)
            by_run[run] = {key: Change.of(drops[key]).mean for key in CHANGES if key in drops}
            payers |= {run: most[0]} if most else {}
    if not by_run:
        return []
    paid = Counter(payers.values()).most_common(1)
    whom = f" The group that pays most is {paid[0][0]} in {paid[0][1]} of them." if paid else ""
    return [f"Defences against FedAvg, {_ranges(list(by_run.values()))}.{whom}"]


def _interventions(tables: Tables) -> list[str]:
    """Say, per method, what the standard case does that the ideal one does not."""
    by_method: dict[str, dict[str, Changes]] = {}
    for table, lines in tables:
        for ideal, standard in cases(table, lines):
            run = standard.row.experiments[0]
            paired = {key: paired_change(ideal, standard, key) for key in CHANGES}
            changes = {key: change.mean for key, change in paired.items() if change}
            if changes:  # both cases have a finished seed in common
                by_method.setdefault(_method_name(run.method), {})[run.id] = changes
    return [
        f"{method}, the standard case against the ideal one, {_ranges(list(rows.values()))}."
        for method, rows in by_method.items()
    ]


def _method_name(method: object) -> str:
    """Return GEORGE for george; an outsider's method goes by its class."""
    short = short_name(NAMES, type(method))
    return type(method).__name__ if ":" in short else short.upper().replace("_", " ")


def _ranges(rows: Sequence[Changes]) -> str:
    """Say how many settings there are, and give the range of each metric's change."""
    by_metric = {
        metric: sorted(row[key] for row in rows if key in row) for key, metric in CHANGES.items()
    }
    spans = [f"{metric} {_span(values)}" for metric, values in by_metric.items() if values]
    return f"{len(rows)} setting{'s' if len(rows) > 1 else ''}: {'; '.join(spans)}"


def _span(values: Sequence[float]) -> str:
    """Put sorted changes into words: '0.3 to 93.8 points higher', or both ways with the counts."""
    low, high = values[0], values[-1]
    near, far = sorted((number(abs(low)), number(abs(high))), key=float)
    if far == "0.0":
        return "unchanged"
    if low >= 0 or high <= 0:
        size = far if near == far else f"{near} to {far}"
        return f"{size} points {'higher' if high > 0 else 'lower'}"
    falls = sum(value < 0 for value in values)
    return (
        f"lower in {falls} (by up to {number(-low)} points) and higher in "
        f"{sum(v > 0 for v in values)} (by up to {number(high)})"
    )
