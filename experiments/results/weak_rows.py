"""What too little stands behind, row by row: the weak points of its runs, with their seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.experiment import Experiment
from experiments.results.arithmetic import changed_within, mixed
from experiments.results.finished_runs import result
from experiments.results.weak_numbers import other_data, weak_numbers

Weak = Mapping[str, tuple[int, ...]]
"""Half a sentence -> the seeds that it holds for."""
OTHER_DATA = "the seeds are of different data or models: their mean is of no one thing"
OTHER_ARITHMETIC = "the seeds were run with different arithmetic"
CHANGED_ARITHMETIC = "the run went on with other arithmetic"
BASE_ARITHMETIC = "the baseline was run with other arithmetic"
OTHER_BASE = "the baseline is of other data: the drop compares two data sets"


def weak_runs(runs: Sequence[Experiment], results: Path, select: str) -> Weak:
    """Return the weak points of the runs of a row.

    Args:
        runs: The runs, by seed.
        results: Folder of the runs.
        select: Selection rule of the numbers.

    Returns:
        What to know, and of which seeds; empty for sound or unfinished runs.
    """
    found: dict[str, tuple[int, ...]] = {}
    kinds: dict[object, tuple[int, ...]] = {}
    finished = [run for run in runs if result(run, results) is not None]
    for run in finished:
        if how := changed_within(run, results):
            text = f"{CHANGED_ARITHMETIC} ({how})"
            found[text] = (*found.get(text, ()), run.task.seed)
    if how := mixed(finished, results):
        found[f"{OTHER_ARITHMETIC} ({how})"] = tuple(run.task.seed for run in finished)
    for run in runs:
        stored = result(run, results)
        if stored is None:
            continue
        seed = run.task.seed
        for text in weak_numbers(stored, select):
            found[text] = (*found.get(text, ()), seed)
        kind = other_data(stored)
        kinds[kind] = (*kinds.get(kind, ()), seed)
    if len(kinds) > 1:
        found[OTHER_DATA] = tuple(seed for seeds in kinds.values() for seed in seeds)
    return found


def weak_bases(
    runs: Sequence[Experiment], bases: Sequence[Experiment], results: Path, select: str
) -> Weak:
    """Return the weak points of the baselines of a row, and where they are of other data.

    Args:
        runs: The runs, by seed.
        bases: Their baselines.
        results: Folder of the runs.
        select: Selection rule of the numbers.

    Returns:
        What to know of the drops, and of which seeds.
    """
    weak = {f"the baseline: {t}": s for t, s in weak_runs(bases, results, select).items()}
    other = tuple(
        run.task.seed
        for run, base in zip(runs, bases, strict=True)
        if (one := result(run, results))
        and (two := result(base, results))
        and other_data(one)[:3] != other_data(two)[:3]
    )
    if other:
        weak[OTHER_BASE] = other
    for run, base in zip(runs, bases, strict=True):
        both = result(run, results) is not None and result(base, results) is not None
        if both and (how := mixed([run, base], results)):
            text = f"{BASE_ARITHMETIC} ({how})"
            weak[text] = (*weak.get(text, ()), run.task.seed)
    return weak


def of_seeds(seeds: Sequence[int]) -> str:
    """Return "seed 1" or "seeds 0, 2"."""
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
