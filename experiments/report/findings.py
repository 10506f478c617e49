"""What methods find and what could be told apart, in words: tiers identified, gaps and bounds, entropies."""

from collections.abc import Sequence

from experiments.report.metric_format import metric, number
from experiments.results.measurements import Line
from experiments.tables.labels import words
from experiments.tables.table import Table

CASE = "CASE"
CELLS = ("poisons", "LRG-1", "LRG-2", "HRG")
VERBS = {"idnf": "identifies", "elmf": "eliminates"}


def findings(table: Table, done: Sequence[Line]) -> list[str]:
    """Sentences on what the table prints of these, one per row or method."""
    return [*_shares(table, done), *_bounds(table, done), *_entropies(table, done)]


def _shares(table: Table, done: Sequence[Line]) -> list[str]:
    """Whom a method finds: shares of the poisons and the tiers.

    What is identified is the same in every case of a method, what is eliminated is not.
    """
    sentences: dict[str, str] = {}
    for kind, verb in VERBS.items():
        if not _prints(table, kind):
            continue
        for line in done:
            if shares := _cells(line, kind, "% of"):
                label = _label(line, with_case=kind == "elmf")
                sentences.setdefault(f"{kind} {label}", f"{label} {verb} {_and(shares)}.")
    return list(sentences.values())


def _bounds(table: Table, done: Sequence[Line]) -> list[str]:
    """How differently a method treats poisons and LRG-1, and how differently any rule on its signal could."""
    if "bound" not in table.columns:
        return []
    sentences = []
    for line in done:
        gap, bound, chance = (line.spread(key) for key in ("gap", "bound", "chance"))
        if gap and bound and chance:
            sentences.append(
                f"{_label(line)} selects poisons and LRG-1 at rates {number(gap.mean)} points apart; no rule "
                f"on its signal can exceed {number(bound.mean)} in these samples (by chance alone "
                f"{number(chance.mean)})."
            )
    return sentences


def _entropies(table: Table, done: Sequence[Line]) -> list[str]:
    """STRIP's entropy of the poisons and the tiers."""
    if not _prints(table, "entropy"):
        return []
    sentences = []
    for line in done:
        if found := _cells(line, "entropy", "bits for"):
            sentences.append(f"{_label(line)}: STRIP's entropy is {_and(found)}.")
    return sentences


def _cells(line: Line, family: str, unit: str) -> list[str]:
    """Means of a family of numbers, one per cell that has it: '3.1 % of LRG-1'."""
    return [
        f"{number(spread.mean, metric(key).decimals)} {unit} {cell}"
        for cell in CELLS
        if (spread := line.spread(key := f"{family} {cell}"))
    ]


def _prints(table: Table, family: str) -> bool:
    """Whether columns of the family are printed; a table without columns of its own prints none."""
    return any(column.startswith(f"{family} ") for column in table.columns)


def _label(line: Line, with_case: bool = True) -> str:
    label = {key: value for key, value in line.row.label.items() if with_case or key != CASE}
    return ", ".join(words(label))


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
