"""What several tables say together: who pays for the defences, and what amplification gives the attacker."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from experiments.report.metric_format import number
from experiments.report.summary import cases, change, no_headroom, payer, turned
from experiments.results.measurements import Line
from experiments.tables.table import Table
from fedgroup.methods import NAMES
from fedgroup.spec import short_name

CHANGES = {"asr": "attack success", "wga": "WGA", "acc_adjusted": "ACC"}
Changes = dict[str, float]
"""Metric -> change of one row in points, positive = higher."""
Tables = Sequence[tuple[Table, Sequence[Line]]]


def overall(tables: Tables) -> list[str]:
    """Sentences over all tables; a run that several of them share counts once. Empty for a single table."""
    if len(tables) < 2:
        return []
    return [*_defences(tables), *_interventions(tables)]


def _defences(tables: Tables) -> list[str]:
    found: dict[str, Changes] = {}
    payers: dict[str, str] = {}
    for table, lines in tables:
        for line in lines:
            drops = line.drops or {}
            if table.against != "FedAvg" or "wga" not in drops or no_headroom(line):
                continue
            run, most = line.row.experiments[0].id, payer(drops)
            found[run] = {
                key: turned(drops[key]).rise.spread.mean for key in CHANGES if key in drops
            }
            payers |= {run: most[0]} if most else {}
    if not found:
        return []
    paid = Counter(payers.values()).most_common(1)
    whom = f" The group that pays most is {paid[0][0]} in {paid[0][1]} of them." if paid else ""
    return [f"Defences against FedAvg, {_told(list(found.values()))}.{whom}"]


def _interventions(tables: Tables) -> list[str]:
    """Per method: what the standard case does that the ideal one does not."""
    found: dict[str, dict[str, Changes]] = {}
    for table, lines in tables:
        for ideal, standard in cases(table, lines):
            run = standard.row.experiments[0]
            risen = {key: change(ideal, standard, key) for key in CHANGES}
            changes = {key: rise.rise.spread.mean for key, rise in risen.items() if rise}
            if changes:  # both cases have a finished seed in common
                found.setdefault(_method(run.method), {})[run.id] = changes
    return [
        f"{method}, the standard case against the ideal one, {_told(list(rows.values()))}."
        for method, rows in found.items()
    ]


def _method(method: Any) -> str:
    """GEORGE for george; an outsider's method goes by its class."""
    short = short_name(NAMES, type(method))
    return type(method).__name__ if ":" in short else short.upper().replace("_", " ")


def _told(rows: Sequence[Changes]) -> str:
    """How many settings, and the range of each metric's change."""
    known = {
        metric: sorted(row[key] for row in rows if key in row) for key, metric in CHANGES.items()
    }
    spans = [f"{metric} {_span(values)}" for metric, values in known.items() if values]
    return f"{len(rows)} setting{'s' if len(rows) > 1 else ''}: {'; '.join(spans)}"


def _span(values: Sequence[float]) -> str:
    """Sorted changes in words: '0.3 to 93.8 points higher', or from lower to higher with the counts."""
    low, high = values[0], values[-1]
    near, far = sorted((number(abs(low)), number(abs(high))), key=float)
    if far == "0.0":
        return "unchanged"
    if low >= 0 or high <= 0:
        size = far if near == far else f"{near} to {far}"
        return f"{size} points {'higher' if high > 0 else 'lower'}"
    falls = sum(value < 0 for value in values)
    return (
        f"lower in {falls} (by up to {number(-low)} points) and higher in {sum(v > 0 for v in values)} "
        f"(by up to {number(high)})"
    )
