"""What methods find and what could be told apart, in words: tiers, gaps and bounds, entropies."""

from collections.abc import Sequence

from experiments.report.metric_format import metric, number
from experiments.results.measurements import Line
from experiments.tables.labels import words
from experiments.tables.table import Table

CASE = "CASE"
TIERS = ("poisons", "LRG-1", "LRG-2", "HRG")
VERBS = {"idnf": "identifies", "elmf": "eliminates"}


def findings(table: Table, done: Sequence[Line]) -> list[str]:
    """Return sentences on what the table prints of these, one per row or method."""
    return [*_shares(table, done), *_bounds(table, done), *_entropies(table, done)]


def _shares(table: Table, done: Sequence[Line]) -> list[str]:
    """Say whom a method finds: shares of the poisons and the tiers.

    What is identified is the same in every case of a method, what is eliminated is not.
    """
    sentences: dict[str, str] = {}
    for kind, verb in VERBS.items():
        if not _prints(table, kind):
            continue
        for line in done:
            if shares := _by_tier(line, kind, "% of"):
                label = _label(line, with_case=kind == "elmf")
                sentences.setdefault(f"{kind} {label}", f"{label} {verb} {_and(shares)}.")
    return list(sentences.values())


def _bounds(table: Table, done: Sequence[Line]) -> list[str]:
    """Say how differently a method treats poisons and LRG-1, and how differently any rule could."""
    if "bound" not in table.columns:
        return []
    sentences = []
    for line in done:
        gap, bound, chance = (line.spread(key) for key in ("gap", "bound", "chance"))
        if gap and bound and chance:
            sentences.append(
                f"{_label(line)} selects poisons and LRG-1 at rates {number(gap.mean)} points "
                f"apart; no rule on its signal can exceed {number(bound.mean)} in these samples "
                f"(by chance alone {number(chance.mean)})."
            )
    return sentences


def _entropies(table: Table, done: Sequence[Line]) -> list[str]:
    """Give STRIP's entropy of the poisons and the tiers."""
    if not _prints(table, "entropy"):
        return []
    sentences = []
    for line in done:
        if entropies := _by_tier(line, "entropy", "bits for"):
            sentences.append(f"{_label(line)}: STRIP's entropy is {_and(entropies)}.")
    return sentences


def _by_tier(line: Line, family: str, unit: str) -> list[str]:
    """Return the means of a family of numbers, one per tier that has one: '3.1 % of LRG-1'.

    Args:
        line: The row.
        family: What the names of the numbers begin with: 'idnf', say.
        unit: What stands between a number and its tier.
    """
    return [
        f"{number(spread.mean, metric(key).decimals)} {unit} {tier}"
        for tier in TIERS
        if (spread := line.spread(key := f"{family} {tier}"))
    ]


def _prints(table: Table, family: str) -> bool:
    """Return whether columns of the family are printed; none are where the table names none."""
    return any(column.startswith(f"{family} ") for column in table.columns)


def _label(line: Line, with_case: bool = True) -> str:
    label = {key: value for key, value in line.row.label.items() if with_case or key != CASE}
    return ", ".join(words(label))


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
