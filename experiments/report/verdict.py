"""The verdict on what is audited: what it costs, what it buys, and who pays, in every setting."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.report.changes import Change
from experiments.report.footnotes import Marks, mark, marks_of
from experiments.report.metric_format import number
from experiments.report.summary import no_headroom, payer
from experiments.results.finished_runs import result
from experiments.results.measurements import Line, Values, has_drop, is_baseline
from experiments.results.statistics import Drop
from experiments.tables.labels import short, words
from experiments.tables.table import Table

DROPS = {"wga": "WGA drop", "acc_adjusted": "ACC drop", "asr": "ASR drop"}


@dataclass(frozen=True)
class Verdict:
    """A few sentences and a small table, one row per setting."""

    sentences: tuple[str, ...]
    head: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]


def verdict(table: Table, lines: Sequence[Line], results: Path) -> Verdict | None:
    """Return the verdict on a table's audited rows; None where none can be compared yet.

    Args:
        table: The table.
        lines: Its rows with their numbers.
        results: Folder of the runs.

    Returns:
        Sentences, and a table with a row per audited row that has a drop of WGA; or None.
    """
    judged = [line for line in lines if line.row.audited and line.drops and "wga" in line.drops]
    if not judged:
        return None
    shown = [key for key in DROPS if any(key in (line.drops or {}) for line in judged)]
    ranked = any(_rivals(line, lines) for line in judged)
    marks = marks_of(lines)
    head = ("setting", *(DROPS[key] for key in shown), "who pays", *(("rank",) if ranked else ()))
    body = tuple(
        (
            _setting(line, table),
            *(_marked(line, key, judged, marks) for key in shown),
            _payer(line, results),
            *((_rank(line, lines),) if ranked else ()),
        )
        for line in judged
    )
    sentences = _sentences(table, judged, shown, ranked)
    return Verdict((*sentences, *_same_numbers(table, judged, lines)), head, body)


def _sentences(
    table: Table, judged: Sequence[Line], shown: Sequence[str], ranked: bool
) -> list[str]:
    """Say what falls and rises how often, and how to read the table of the verdict.

    Args:
        table: The table.
        judged: Its audited rows.
        shown: Metrics whose drops the verdict shows.
        ranked: Whether it shows ranks.
    """
    subject = table.title.removeprefix("Audit of ")
    subject = f"{subject}: " if subject != table.title else ""
    sentences = [
        f"{subject}{_count(judged, key)}."
        for key in shown
        if any(key in (line.drops or {}) for line in judged)
    ]
    sentences.append(
        f"A drop is {table.against} minus this, of equal seeds, in points: positive = lower than "
        f"{table.against}. {_seeds(judged)}"
    )
    unknown = [_setting(line, table) for line in judged if no_headroom(line)]
    if unknown:
        sentences.append(
            f"No headroom ({'; '.join(unknown)}): the WGA of {table.against} is under 5 %, so a "
            "drop from it says nothing."
        )
    if ranked:
        sentences.append(
            "Rank: place by the smallest WGA drop and by the largest ASR drop, among those "
            "compared with the same run."
        )
    return sentences


def _count(judged: Sequence[Line], key: str) -> str:
    """Count the settings in which a metric falls and rises."""
    drops = [(line.drops or {})[key] for line in judged if key in (line.drops or {})]
    signs = [0 if number(drop.spread.mean) == "0.0" else Change.of(drop).sign for drop in drops]
    sure = "clearly " if all(drop.spread.n > 1 for drop in drops) else ""
    metric = DROPS[key].removesuffix(" drop")
    return (
        f"{metric} {sure}falls in {signs.count(-1)} of {len(signs)} settings, {sure}rises in "
        f"{signs.count(1)}" + (f", shows no clear change in {signs.count(0)}" if sure else "")
    )


def _seeds(judged: Sequence[Line]) -> str:
    """Say what is known of the spread."""
    counted = {drop.spread.n for line in judged for drop in (line.drops or {}).values()}
    if counted == {1}:
        return (
            "One seed: no interval exists, and any difference may be chance; --seeds 0,1,2 gives "
            "one."
        )
    brackets = "In brackets: the 95 % t interval of the paired mean."
    return f"{brackets} Some settings have one seed only, and none." if 1 in counted else brackets


def _setting(line: Line, table: Table) -> str:
    """Return the labels in which the audited rows differ; no attack is spelt out as clean."""
    differing = _differing(table)
    label = {key: value for key, value in line.row.label.items() if key in differing}
    return ", ".join("clean" if word == "none" else word for word in words(label)) or short(
        line.row, table.rows
    )


def _differing(table: Table) -> set[str]:
    """Return the label columns in which the audited rows differ."""
    audited = [row.label for row in table.rows if row.audited]
    return {key for key in audited[0] if len({label[key] for label in audited}) > 1}


def _marked(line: Line, key: str, judged: Sequence[Line], marks: Marks) -> str:
    """Return the cell of a drop, with n where the rows differ and the marks of weak numbers.

    Args:
        line: The row.
        key: The metric.
        judged: All audited rows.
        marks: Marks of the table.
    """
    drop = (line.drops or {}).get(key)
    if drop is None:
        return _cell(drop)
    counts = {(other.drops or {})[key].spread.n for other in judged if key in (other.drops or {})}
    n = f" (n={drop.spread.n})" if len(counts) > 1 else ""
    return f"{_cell(drop)}{n}{mark(line, key, True, marks)}"


def _cell(drop: Drop | None) -> str:
    """Format a drop with its interval; one that spans 0 is no clear change."""
    if drop is None:
        return "–"
    mean = number(drop.spread.mean)
    if drop.spread.n < 2:
        return mean
    interval = f"{mean} [{number(drop.low)}, {number(drop.high)}]"
    return f"no clear change: {interval}" if Change.of(drop).sign == 0 else interval


def _payer(line: Line, results: Path) -> str:
    """Name the group whose accuracy falls most beyond chance, and its tier."""
    drops = line.drops or {}
    if not any(key.startswith("group ") for key in drops):
        return "–"
    paying = payer(drops)
    if paying is None:
        return "nobody"
    group, lost = paying
    for experiment in line.row.experiments:
        dataset = (result(experiment, results) or {}).get("dataset") or {}
        for tier, members in dataset.get("tiers", {}).items():
            if group in [dataset["groups"][member] for member in members]:
                return f"{tier}, {group}: {number(lost)}"
    return f"{group}: {number(lost)}"


def _rivals(line: Line, lines: Sequence[Line]) -> list[Line]:
    """Return the shipped rows that are compared with the same run."""
    baseline = line.row.baselines[0].id
    return [
        other
        for other in lines
        if not other.row.audited
        and not is_baseline(other.row)
        and other.row.baselines[0].id == baseline
        and other.drops
        and "wga" in other.drops
    ]


def _same_numbers(table: Table, judged: Sequence[Line], lines: Sequence[Line]) -> list[str]:
    """Name rivals whose numbers are equal to the last digit: on these cohorts the two are one rule.

    Args:
        table: The table.
        judged: Its audited rows.
        lines: All of its rows.
    """
    settings: dict[str, list[str]] = {}
    differing = _differing(table)
    for line in judged:
        mine = [_accuracies(run) for run in line.runs]
        for other in _rivals(line, lines):
            if None not in mine and [_accuracies(run) for run in other.runs] == mine:
                label = other.row.label
                named = [value for key, value in label.items() if key not in differing]
                name = ", ".join(named) or next(iter(label.values()))
                settings.setdefault(name, []).append(_setting(line, table))
    return [
        f"The same numbers to the last digit as {name} in {len(equal)} of {len(judged)} settings "
        f"({'; '.join(equal)}): there it does what {name} does."
        for name, equal in settings.items()
    ]


def _accuracies(run: Values | None) -> Values | None:
    """Return what a run's predictions alone decide."""
    return run and {key: value for key, value in run.items() if has_drop(key)}


def _rank(line: Line, lines: Sequence[Line]) -> str:
    """Return the place among the rivals and itself: 'WGA 2 of 4, ASR 1 of 4'."""
    rivals = [other.drops or {} for other in _rivals(line, lines)]
    own = line.drops or {}
    if not rivals:
        return "–"
    places = []
    for key, better in (("wga", -1), ("asr", 1)):
        if key in own and not (key == "wga" and no_headroom(line)):
            others = [drops[key].spread.mean for drops in rivals if key in drops]
            place = 1 + sum(better * value > better * own[key].spread.mean for value in others)
            places.append(f"{key.upper()} {place} of {len(others) + 1}")
    return ", ".join(places) or "–"
