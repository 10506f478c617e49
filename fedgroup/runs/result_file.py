"""result.json of a finished run, read with suspicion: a number that cannot be right is refused.

Refused are a file that cannot be read, the result of another run, records that are missing or
changed, and numbers that are not finite, out of range or at odds with each other. Directories of
0.1.0 carry no digests: their numbers are compared with those in rounds.jsonl instead.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedgroup.errors import FedgroupError
from fedgroup.model_selection import RULES, select
from fedgroup.runs.record_digests import check_bound, has_digests
from fedgroup.runs.run_directory import RESULT, read_lines

ROUNDING = 1e-6
"""Points by which two ways to compute one percentage may differ."""
Percent = Annotated[float, Field(ge=0, le=100 + ROUNDING, allow_inf_nan=False)]
Change = Annotated[float, Field(ge=-100, le=100 + ROUNDING, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True)


class _Chosen(_Shape):
    """What one selection rule reports."""

    wga: Percent
    acc: Percent
    acc_adjusted: Percent
    round: Count | None = None
    val_wga: Percent | None = None
    groups: list[Percent | None] | None = None
    worst_group_samples: Positive | None = None
    asr: Change | None = None


class _Dataset(_Shape):
    name: str
    groups: Annotated[list[str], Field(min_length=1)]
    tiers: dict[str, list[Count]]
    train_counts: list[Count]


class _Result(_Shape):
    selection: dict[str, _Chosen]
    rounds: Positive
    failed_rounds: Count = 0
    dataset: _Dataset
    parameters: Positive
    idnf: dict[str, Percent | None] | None = None
    elmf: dict[str, Percent | None] | None = None
    amplified: dict[str, Percent | None] | None = None


def read_result(folder: Path) -> dict[str, Any]:
    """Return the result of a finished run.

    Args:
        folder: The run directory.

    Returns:
        The content of its result.json; every number in it is finite and within its range.

    Raises:
        FedgroupError: The result cannot be trusted; the line names the folder, why and what to do.
    """
    try:
        stored = _read(folder / RESULT)
        checked = _checked(stored)
        if has_digests(stored):
            check_bound(folder, stored)
        else:
            _check_follows(stored, read_lines(folder, "rounds"))
        _check_agrees(checked)
    except FedgroupError as error:
        raise FedgroupError(
            f"{folder}: {error}; its numbers are not used: delete the folder and run again"
        ) from error
    return stored


def _read(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise FedgroupError(f"{path.name} cannot be read ({why})") from error
    if not isinstance(stored, dict):
        raise FedgroupError(f"{path.name} holds no result")
    return stored


def _checked(stored: Mapping[str, Any]) -> _Result:
    """Check that every number is finite, and those that are reported in their range."""
    where = _not_finite(stored)
    if where:
        raise FedgroupError(f"result.json: {where} is not a finite number")
    try:
        checked = _Result.model_validate(stored)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        reason = first["msg"][0].lower() + first["msg"][1:]
        raise FedgroupError(f"result.json: {where}: {reason}") from error
    for rule in RULES:
        if rule not in checked.selection:
            raise FedgroupError(f"result.json: selection.{rule} is missing")
    return checked


def _not_finite(value: Any, where: str = "") -> str:
    """Return the dotted path of the first number that is NaN or infinite; empty: all are finite."""
    if isinstance(value, float):
        return "" if math.isfinite(value) else where
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, item in items:
        if found := _not_finite(item, f"{where}.{key}" if where else str(key)):
            return found
    return ""


def _check_agrees(stored: _Result) -> None:
    """Refuse numbers that contradict each other."""
    groups = len(stored.dataset.groups)
    if len(stored.dataset.train_counts) != groups:
        raise FedgroupError(
            f"result.json: {len(stored.dataset.train_counts)} train_counts of {groups} groups"
        )
    if stored.failed_rounds > stored.rounds:
        raise FedgroupError(
            f"result.json: {stored.failed_rounds} failed rounds of {stored.rounds} rounds"
        )
    for rule, chosen in stored.selection.items():
        where = f"result.json: selection.{rule}"
        if chosen.round is not None and chosen.round > stored.rounds:
            raise FedgroupError(f"{where}: round {chosen.round} of {stored.rounds}")
        if chosen.groups is None:
            continue
        rates = [rate for rate in chosen.groups if rate is not None]
        if len(chosen.groups) != groups or not rates:
            raise FedgroupError(f"{where}: {len(chosen.groups)} rates of {groups} groups")
        if abs(chosen.wga - min(rates)) > ROUNDING:
            raise FedgroupError(
                f"{where}: wga is {chosen.wga:g}, the worst group has {min(rates):g}"
            )
        for name in ("acc", "acc_adjusted"):
            value = getattr(chosen, name)
            if not min(rates) - ROUNDING <= value <= max(rates) + ROUNDING:
                raise FedgroupError(
                    f"{where}: {name} is {value:g}, the groups have {min(rates):g} to "
                    f"{max(rates):g}"
                )


def _check_follows(stored: Mapping[str, Any], rows: list[dict[str, Any]]) -> None:
    """Refuse a result without digests whose numbers are not those of its rounds.jsonl."""
    last = rows[-1].get("round") if rows else None
    if last != stored["rounds"] or len(rows) != stored["rounds"] + 1:
        raise FedgroupError(
            f"rounds.jsonl has {len(rows)} lines and ends at round {last}, expected rounds 0 to "
            f"{stored['rounds']}"
        )
    try:
        found = select(rows, stored["dataset"]["train_counts"])
    except (KeyError, TypeError) as error:
        raise FedgroupError(f"rounds.jsonl lacks {error}") from error
    for rule in RULES:
        for name in ("wga", "acc", "acc_adjusted"):
            own, expected = stored["selection"][rule][name], found[rule][name]
            if abs(own - expected) > ROUNDING:
                raise FedgroupError(
                    f"result.json: selection.{rule}.{name} is {own:g}, by rounds.jsonl {expected:g}"
                )
