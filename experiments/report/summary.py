"""The summary in words, computed from the numbers: who pays, what it buys, and what cannot be known."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.report.findings import findings
from experiments.report.metric_format import metric, number
from experiments.results.measurements import NO_HEADROOM, Line, is_baseline
from experiments.results.statistics import Drop, paired_drop
from experiments.tables.labels import name, short
from experiments.tables.table import Table

CASE = "CASE"
"""Label column of the interventions: standard, ideal, worst."""


@dataclass(frozen=True)
class Change:
    """A paired change of one metric, in points, as words can be made of it."""

    rise: Drop
    """Drop of the reference's value to this one's with the sign turned: positive = higher."""

    @property
    def known(self) -> bool:
        """Two or more seeds: the spread can be estimated."""
        return self.rise.spread.n > 1

    @property
    def sign(self) -> int:
        """1 or -1 for a clear rise or fall, 0 where the 95 % interval spans 0; one seed: of the value."""
        if self.known:
            return int(self.rise.low > 0) - int(self.rise.high < 0)
        return int(self.rise.spread.mean > 0) - int(self.rise.spread.mean < 0)

    def words(self) -> str:
        """The size and direction: '3.1 points lower'; with the interval where it is known."""
        mean = self.rise.spread.mean
        size = f"{number(abs(mean))} points {'lower' if mean < 0 else 'higher'}"
        if number(abs(mean)) == "0.0":
            size = "unchanged"
        if not self.known:
            return size
        interval = f"95 % interval {number(self.rise.low)} to {number(self.rise.high)}"
        return f"no clear change ({size}, {interval})" if self.sign == 0 else f"{size} ({interval})"


def turned(drop: Drop) -> Change:
    """The change that a drop is, seen from the other side."""
    spread = type(drop.spread)(-drop.spread.mean, drop.spread.std, drop.spread.n)
    return Change(Drop(spread, drop.unpaired_std, -drop.high, -drop.low))


def change(reference: Line, line: Line, key: str) -> Change | None:
    """Change of a metric from the reference row to this one over the seeds that both have."""
    pairs = [
        (a[key], b[key])
        for a, b in zip(reference.runs, line.runs, strict=True)
        if a and b and key in a and key in b
    ]
    return turned(paired_drop([a for a, _ in pairs], [b for _, b in pairs])) if pairs else None


def summary(table: Table, lines: Sequence[Line]) -> list[str]:
    """Sentences of a table's summary, the most important first."""
    done = [line for line in lines if any(line.runs)]
    told = [
        *_defences(table, done),
        *(_case(table, ideal, standard) for ideal, standard in cases(table, done)),
        *findings(table, done),
    ]
    return [
        *_seeds(done),
        *(told or _range(table, done)),
        *_missing(table, lines),
        *_flags(table, done),
    ]


def _seeds(done: Sequence[Line]) -> list[str]:
    counted = {sum(run is not None for run in line.runs) for line in done}
    if counted == {1}:
        return [
            "One seed: nothing is known about the spread, and every difference below may be chance."
        ]
    if 1 in counted:
        return ["Some rows have one seed only: nothing is known about their spread."]
    return []


def _defences(table: Table, done: Sequence[Line]) -> list[str]:
    """Rows that are compared with a baseline: a headline, then what each one costs and buys."""
    compared = [line for line in done if line.drops and "wga" in line.drops]
    judged = [line for line in compared if not no_headroom(line)]
    if not compared:
        return []
    sentences = []
    if judged:
        signs = Counter(turned((line.drops or {})["wga"]).sign for line in judged)
        known = all(turned((line.drops or {})["wga"]).known for line in judged)
        clear, none = ("clearly ", "show no clear change") if known else ("", "leave it unchanged")
        sentences.append(
            f"Of {len(judged)} {_kind(table)}{'s' if len(judged) > 1 else ''} compared with {table.against}, "
            f"{signs[-1]} "
            f"{clear}lower worst-group accuracy (WGA), {signs[1]} {clear}raise it, {signs[0]} {none}."
        )
    return sentences + [_defence(table, line) for line in compared]


def no_headroom(line: Line) -> bool:
    """The baseline's WGA cannot fall, so that nothing is known unless it rose."""
    return "no headroom" in line.flags and (line.drops or {})["wga"].spread.mean > -NO_HEADROOM


def _kind(table: Table) -> str:
    return "defence" if table.against == "FedAvg" else "row"


def _defence(table: Table, line: Line) -> str:
    label, drops = short(line.row, table.rows), line.drops or {}
    if no_headroom(line):
        own = f"{table.against[:1].upper()}{table.against[1:]}'s own WGA is under 5 %"
        return f"{label}: no headroom. {own}, so a drop from it says nothing."
    parts = [f"WGA {turned(drops['wga']).words()}"]
    if "acc_adjusted" in drops:
        parts.append(f"ACC {turned(drops['acc_adjusted']).words()}")
    if "asr" in drops:
        parts.append(f"attack success {turned(drops['asr']).words()}")
    return f"{label}: {'; '.join(parts)}.{_payer(drops)}"


def _payer(drops: Mapping[str, Drop]) -> str:
    """Which group loses most, where the loss is not within chance."""
    found = payer(drops)
    if found is None:
        return ""
    most, lost = found
    others = [
        drop.spread.mean for key, drop in drops.items() if key[:6] == "group " and key[6:] != most
    ]
    most_of_others = f", any other group at most {number(max(0.0, *others))}" if others else ""
    return f" {most[:1].upper()}{most[1:]} pays most: {number(lost)} points{most_of_others}."


def payer(drops: Mapping[str, Drop]) -> tuple[str, float] | None:
    """Group that loses most and its mean loss in points; None where no loss is beyond chance."""
    groups = {
        key.removeprefix("group "): drop for key, drop in drops.items() if key[:6] == "group "
    }
    losing = {group: drop.spread.mean for group, drop in groups.items() if turned(drop).sign < 0}
    if not losing:
        return None
    most = max(losing, key=lambda group: losing[group])
    return None if number(losing[most]) == "0.0" else (most, losing[most])


def cases(table: Table, done: Sequence[Line]) -> list[tuple[Line, Line]]:
    """Rows of the ideal and of the standard case that differ in nothing else."""
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
    """What an intervention on the method changes."""
    label = short(standard.row, table.rows)
    found = {key: change(ideal, standard, key) for key in ("asr", "wga", "acc_adjusted")}
    named = {"asr": "attack success", "wga": "WGA", "acc_adjusted": "ACC"}
    parts = [f"{named[key]} {rise.words()}" for key, rise in found.items() if rise]
    return f"{label} against IDEAL: {'; '.join(parts)}."


def _range(table: Table, done: Sequence[Line]) -> list[str]:
    """Where nothing is compared: the lowest and the highest row of what is printed first."""
    key = table.columns[0] if table.columns else "wga"
    known = [(spread.mean, line) for line in done if (spread := line.spread(key))]
    if not known:
        measures = (
            f"What this table prints is not measured yet: `fedgroup run {table.name}` does it."
        )
        return [measures] if done else []
    low, high = min(known, key=lambda pair: pair[0]), max(known, key=lambda pair: pair[0])
    kind = metric(key)
    low_text, high_text = (number(value, kind.decimals) for value, _ in (low, high))
    if len(known) == 1:
        return [f"{kind.heading} is {low_text} {kind.unit} ({name(low[1].row)})."]
    return [
        f"{kind.heading} lies between {low_text} {kind.unit} ({short(low[1].row, table.rows)}) and "
        f"{high_text} {kind.unit} ({short(high[1].row, table.rows)})."
    ]


def _missing(table: Table, lines: Sequence[Line]) -> list[str]:
    missing = [line for line in lines if not any(line.runs)]
    if not missing:
        return []
    named = "; ".join(short(line.row, table.rows) for line in missing[:6])
    more = f" and {len(missing) - 6} more" if len(missing) > 6 else ""
    return [f"{len(missing)} of {len(lines)} rows have no finished run: {named}{more}."]


def _flags(table: Table, done: Sequence[Line]) -> list[str]:
    """Flags of the rows in words; a missing baseline is one too."""
    sentences = [
        f"{short(line.row, table.rows)}: {flag.replace('n=', 'seeds finished: ')}."
        for line in done
        for flag in line.flags
        if flag != "no headroom"
    ]
    alone = [line for line in done if not is_baseline(line.row) and not line.drops]
    if alone:
        named = "; ".join(short(line.row, table.rows) for line in alone)
        sentences.append(f"No drop for {named}: their baseline ({table.against}) is not finished.")
    return sentences
