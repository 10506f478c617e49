"""Where too little stands behind the numbers of a finished run, in words for a footnote."""

from collections.abc import Mapping
from typing import Any

from experiments.experiment import Experiment

LAST = 10
"""Rounds that the selection rule last10 averages."""


def weak_numbers(stored: Mapping[str, Any], select: str) -> list[str]:
    """Return what to know before believing the numbers of a run.

    Args:
        stored: Its result.
        select: Selection rule of the numbers.

    Returns:
        Half a sentence each; none for a run that lacks nothing.
    """
    return [*_rounds(stored, select), *_data(stored, select), *_predictor(stored, select)]


def _rounds(stored: Mapping[str, Any], select: str) -> list[str]:
    """Name failed rounds, rounds without a loss, and a choice among nothing."""
    flags, rounds = stored.get("flags") or {}, stored["rounds"]
    found = []
    if stored.get("failed_rounds"):
        found.append(f"{stored['failed_rounds']} of {rounds} rounds failed")
    if flags.get("rounds_without_loss"):
        found.append(
            f"a client's loss is no finite number in {flags['rounds_without_loss']} of {rounds} "
            f"rounds"
        )
    if flags.get("val_wga_zero") and select == "best_val_wga":
        found.append("validation WGA is 0 in every round: the first one stands for the best")
    averaged = stored["selection"]["last10"].get("rounds")
    if select == "last10" and averaged is not None and len(averaged) < LAST:
        found.append(f"last10 is the mean of {len(averaged)} evaluated rounds")
    return found


def _data(stored: Mapping[str, Any], select: str) -> list[str]:
    """Name groups and classes that a split has no sample of."""
    flags = stored.get("flags") or {}
    empty, found = flags.get("empty_groups") or {}, []
    rates = _rates(stored, select)
    names = stored["dataset"]["groups"]
    test = [name for name, rate in zip(names, rates, strict=True) if rate is None] if rates else []
    if test:
        found.append(f"no test sample of {_and(test)}: WGA is that of the other groups")
    if empty.get("val") and select == "best_val_wga":
        found.append(f"no validation sample of {_and(empty['val'])}: the round was chosen without")
    for split, missing in (flags.get("empty_classes") or {}).items():
        found.append(f"no {split} sample of class {_and(missing)}")
    return found


def _predictor(stored: Mapping[str, Any], select: str) -> list[str]:
    """Name a model that says the same of every sample, as its rates by group show."""
    rates, classes = _rates(stored, select), stored["dataset"].get("classes") or []
    known = [rate for rate in rates if rate is not None]
    if known and not any(known):
        return ["no test sample is predicted right"]
    if not classes or any(rate not in (0.0, 100.0) for rate in known):
        return []
    attributes = len(rates) // len(classes)
    by_class = [
        {rate for rate in rates[attributes * y : attributes * (y + 1)] if rate is not None}
        for y in range(len(classes))
    ]
    right = [name for name, found in zip(classes, by_class, strict=True) if found == {100.0}]
    wrong = [found for found in by_class if found == {0.0}]
    if len(right) == 1 and len(wrong) == len([found for found in by_class if found]) - 1 > 0:
        return [f"constant predictor: every test sample of class {right[0]} right, no other"]
    return []


def _rates(stored: Mapping[str, Any], select: str) -> list[float | None]:
    """Return accuracies by group; those of the final round where the rule has none."""
    selection = stored["selection"]
    return selection[select].get("groups") or selection["final"].get("groups") or []


def other_data(stored: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what must agree between runs whose numbers are averaged or compared."""
    dataset, hashes = stored["dataset"], stored.get("hashes") or {}
    return (
        dataset["name"],
        tuple(dataset["groups"]),
        tuple(dataset["train_counts"]),
        stored["parameters"],
        hashes.get("layout"),
    )


def other_length(experiment: Experiment, stored: Mapping[str, Any]) -> str:
    """Say where a result is of another number of rounds than its settings; empty: it is not."""
    if stored["rounds"] == experiment.rounds:
        return ""
    return f"its result is of {stored['rounds']} rounds, its settings say {experiment.rounds}"


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
