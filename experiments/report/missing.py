"""What a table lacks: rows, seeds, baselines and clean runs, by name."""

from collections.abc import Callable, Sequence

from experiments.results.measurements import Line, is_baseline
from experiments.results.weak_rows import of_seeds
from experiments.tables.labels import short
from experiments.tables.table import Table
from fedgroup.attacks.attack import is_paired

SHOWN = 6
"""Rows that are named; of more, their number."""


def missing(table: Table, lines: Sequence[Line]) -> list[str]:
    """Return a sentence per kind of cell that has no number or fewer seeds than others."""
    none = [line for line in lines if not any(line.runs)]
    some = [line for line in lines if any(line.runs)]
    sentences = []
    if none:
        sentences.append(
            f"{len(none)} of {len(lines)} rows have no finished run: "
            f"{_list([short(line.row, table.rows) for line in none])}."
        )
    kinds: tuple[tuple[str, Callable[[Line], tuple[int, ...]]], ...] = (
        ("Not finished", _seeds),
        (f"No drop, as the baseline ({table.against}) is not finished", _baselines),
        ("No attack success, as the clean run is not finished", _references),
    )
    for heading, lacking in kinds:
        named = [
            f"{short(line.row, table.rows)} ({of_seeds(s)})"
            for line in some
            if (s := lacking(line))
        ]
        if named:
            sentences.append(f"{heading}: {_list(named)}.")
    return sentences


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return "; ".join(names[:SHOWN]) + more


def _seeds(line: Line) -> tuple[int, ...]:
    """Return the seeds of a row that are not finished."""
    return _where(line, lambda n: line.runs[n] is None)


def _baselines(line: Line) -> tuple[int, ...]:
    """Return the finished seeds whose baseline is not; the whole row's are said elsewhere."""
    if is_baseline(line.row) or not line.drops:
        return ()
    return _where(line, lambda n: line.runs[n] is not None and line.bases[n] is None)


def _references(line: Line) -> tuple[int, ...]:
    """Return the finished seeds of a paired attack without the clean run that it needs."""
    task = line.row.experiments[0].task
    if not task.inject or not is_paired(task.attack):
        return ()
    return _where(line, lambda n: "asr" not in (line.runs[n] or {"asr": 0.0}))


def _where(line: Line, holds: Callable[[int], bool]) -> tuple[int, ...]:
    runs = line.row.experiments
    return tuple(run.task.seed for number, run in enumerate(runs) if holds(number))
