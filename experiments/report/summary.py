"""The summary in words, computed from the numbers: who pays, what it buys, what cannot be known."""

from collections import Counter
from collections.abc import Mapping, Sequence

from experiments.report.changes import Change, paired_change
from experiments.report.findings import findings
from experiments.report.footnotes import marks_of
from experiments.report.metric_format import metric, number
from experiments.report.missing import missing
from experiments.results.measurements import NO_HEADROOM, Line, is_baseline
from experiments.results.statistics import Drop
from experiments.tables.labels import name, short
from experiments.tables.table import Table

CASE = "CASE"
"""Label column of the interventions: standard, ideal, worst."""
GROUP = "group "
"""What the names of the groups' accuracies begin with."""


def summary(table: Table, lines: Sequence[Line]) -> list[str]:
    """Return the sentences of a table's summary, the most important first."""
    done = [line for line in lines if any(line.runs)]
    compared = [
        *_defences(table, done),
        *(_case(table, ideal, standard) for ideal, standard in cases(table, done)),
        *findings(table, done),
    ]
    return [
        *_seeds(done),
        *(compared or _range(table, done)),
        *missing(table, lines),
        *_flags(table, done),
        *_weak(lines),
    ]


def _seeds(done: Sequence[Line]) -> list[str]:
    """Warn of rows with one seed."""
    counted = {sum(run is not None for run in line.runs) for line in done}
    if counted == {1}:
        return [
            "One seed: nothing is known about the spread, and every difference below may be chance."
        ]
    if 1 in counted:
        return ["Some rows have one seed only: nothing is known about their spread."]
    return []


def _defences(table: Table, done: Sequence[Line]) -> list[str]:
    """Count what the rows with a baseline do, then say what each one costs and buys."""
    compared = [line for line in done if line.drops and "wga" in line.drops]
    judged = [line for line in compared if not no_headroom(line)]
    if not compared:
        return []
    sentences = []
    if judged:
        changes = [Change.of((line.drops or {})["wga"]) for line in judged]
        signs = Counter(change.sign for change in changes)
        sure = all(change.has_interval for change in changes)
        clear, none = ("clearly ", "show no clear change") if sure else ("", "leave it unchanged")
        sentences.append(
            f"Of {len(judged)} {_kind(table)}{'s' if len(judged) > 1 else ''} compared with "
            f"{table.against}, {signs[-1]} {clear}lower worst-group accuracy (WGA), {signs[1]} "
            f"{clear}raise it, {signs[0]} {none}."
        )
    return sentences + [_defence(table, line) for line in compared]


def no_headroom(line: Line) -> bool:
    """Return whether the baseline's WGA cannot fall, so that nothing is known unless it rose."""
    return "no headroom" in line.flags and (line.drops or {})["wga"].spread.mean > -NO_HEADROOM


def _kind(table: Table) -> str:
    return "defence" if table.against == "FedAvg" else "row"


def _defence(table: Table, line: Line) -> str:
    """Say what one row costs and buys, and who pays."""
    label, drops = short(line.row, table.rows), line.drops or {}
    if no_headroom(line):
        own = f"{table.against[:1].upper()}{table.against[1:]}'s own WGA is under 5 %"
        return f"{label}: no headroom. {own}, so a drop from it says nothing."
    parts = [f"WGA {Change.of(drops['wga']).words()}"]
    if "acc_adjusted" in drops:
        parts.append(f"ACC {Change.of(drops['acc_adjusted']).words()}")
    if "asr" in drops:
        parts.append(f"attack success {Change.of(drops['asr']).words()}")
    return f"{label}: {'; '.join(parts)}.{_payer(drops)}"


def _payer(drops: Mapping[str, Drop]) -> str:
    """Say which group loses most, where the loss is not within chance."""
    paying = payer(drops)
    if paying is None:
        return ""
    most, lost = paying
    others = [
        drop.spread.mean
        for key, drop in drops.items()
        if key.startswith(GROUP) and key.removeprefix(GROUP) != most
    ]
    most_of_others = f", any other group at most {number(max(0.0, *others))}" if others else ""
    first = most[:1].upper() if most[:1].isascii() else most[:1]
    return f" {first}{most[1:]} pays most: {number(lost)} points{most_of_others}."


def payer(drops: Mapping[str, Drop]) -> tuple[str, float] | None:
    """Return the group that loses most and its mean loss; None where no loss is beyond chance."""
    losing = {
        key.removeprefix(GROUP): drop.spread.mean
        for key, drop in drops.items()
        if key.startswith(GROUP) and Change.of(drop).sign < 0
    }
    if not losing:
        return None
    most = max(losing, key=lambda group: losing[group])
    return None if number(losing[most]) == "0.0" else (most, losing[most])


def cases(table: Table, done: Sequence[Line]) -> list[tuple[Line, Line]]:
    """Return the rows of the ideal and the standard case that differ in nothing else."""
    if CASE not in table.rows[0].label:
        return []
    by_case: dict[tuple[str, ...], dict[str, Line]] = {}
    for line in done:
        rest = tuple(value for key, value in line.row.label.items() if key != CASE)
        by_case.setdefault(rest, {})[line.row.label[CASE].lower()] = line
    return [
        (c["ideal"], c["standard"]) for c in by_case.values() if {"standard", "ideal"} <= set(c)
    ]


def _case(table: Table, ideal: Line, standard: Line) -> str:
    """Say what an intervention on the method changes."""
    label = short(standard.row, table.rows)
    names = {"asr": "attack success", "wga": "WGA", "acc_adjusted": "ACC"}
    changes = {key: paired_change(ideal, standard, key) for key in names}
    parts = [f"{names[key]} {change.words()}" for key, change in changes.items() if change]
    return f"{label} against IDEAL: {'; '.join(parts)}."


def _range(table: Table, done: Sequence[Line]) -> list[str]:
    """Give the lowest and the highest row of what is printed first, where nothing is compared."""
    key = table.columns[0] if table.columns else "wga"
    means = [(spread.mean, line) for line in done if (spread := line.spread(key))]
    if not means:
        unmeasured = (
            f"What this table prints is not measured yet: `fedgroup run {table.name}` does it."
        )
        return [unmeasured] if done else []
    low, high = min(means, key=lambda pair: pair[0]), max(means, key=lambda pair: pair[0])
    kind = metric(key)
    low_text, high_text = (number(value, kind.decimals) for value, _ in (low, high))
    if len(means) == 1:
        return [f"{kind.heading} is {low_text} {kind.unit} ({name(low[1].row)})."]
    return [
        f"{kind.heading} lies between {low_text} {kind.unit} ({short(low[1].row, table.rows)}) and "
        f"{high_text} {kind.unit} ({short(high[1].row, table.rows)})."
    ]


def _weak(lines: Sequence[Line]) -> list[str]:
    """Point to the footnotes where some number rests on too little."""
    marks = ", ".join(f"[{letter}]" for letter in marks_of(lines).values())
    return [f"Numbers with {marks} rest on too little; the notes say why."] if marks else []


def _flags(table: Table, done: Sequence[Line]) -> list[str]:
    """Put the flags of the rows into words; a missing baseline is one too."""
    sentences = [
        f"{short(line.row, table.rows)}: {flag.replace('n=', 'seeds finished: ')}."
        for line in done
        for flag in line.flags
        if flag != "no headroom"
    ]
    uncompared = [line for line in done if not is_baseline(line.row) and not line.drops]
    if uncompared:
        named = "; ".join(short(line.row, table.rows) for line in uncompared)
        sentences.append(f"No drop for {named}: their baseline ({table.against}) is not finished.")
    return sentences
