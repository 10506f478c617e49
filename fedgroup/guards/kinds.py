"""Which family a class belongs to, told by its methods: nothing is registered.

The families themselves, with their names and checks, are in experiments/components/families.py.
"""

import inspect
from collections.abc import Mapping
from typing import Any, Literal

from fedgroup.errors import FedgroupError

Kind = Literal[
    "data set",
    "partition",
    "model",
    "sample attack",
    "update attack",
    "rule",
    "method",
    "Flower strategy",
    "probe",
]
"""What a component of each family is called."""

METHODS: Mapping[Kind, tuple[str, ...]] = {
    "sample attack": ("poison", "success"),
    "update attack": ("init", "forge"),
    "rule": ("init", "step"),
    "Flower strategy": ("configure_train", "aggregate_train"),
    "data set": ("load",),
    "partition": ("assign",),
    "model": ("build",),
    "probe": ("run",),
    "method": ("run",),
}
"""Methods by which a class of a family is known; two tell it more surely than one."""
ARGUMENTS: Mapping[Kind, int] = {"probe": 1, "method": 2}
"""How many arguments `run` takes: a probe's gets a run directory, a method's splits and trainer."""


def has_kind(cls: type[Any], kind: Kind) -> bool:
    """Return whether a class has the methods of a family."""
    names = METHODS[kind]
    if not all(callable(getattr(cls, name, None)) for name in names):
        return False
    if kind not in ARGUMENTS:
        return True
    return len(inspect.signature(getattr(cls, names[0])).parameters) == 1 + ARGUMENTS[kind]


def kind_of(cls: type[Any]) -> Kind | None:
    """Return the family of a class; None where it has the methods of none."""
    return next((kind for kind in METHODS if has_kind(cls, kind)), None)


def refuse_misplaced(cls: object, path: str, wanted: type[Any]) -> None:
    """Refuse a class where a component of another family is asked for.

    Args:
        cls: The class that was chosen.
        path: Its import path.
        wanted: A class of the right family.

    Raises:
        FedgroupError: It says what the class is.
    """
    kind = kind_of(wanted)
    if kind is None or not isinstance(cls, type) or has_kind(cls, kind):
        return
    found = kind_of(cls)
    if found is None:
        raise FedgroupError(f"'{path}' is no {kind}: it lacks {' and '.join(_lacking(cls, kind))}")
    hint = ""
    if found == "Flower strategy" and kind == "rule":
        hint = f": the rule `flower` hosts it, {{use: flower, strategy: {path}}}"
    raise FedgroupError(f"'{path}' is {_one(found)}, not {_one(kind)}{hint}")


def _one(kind: Kind) -> str:
    return f"an {kind}" if kind == "update attack" else f"a {kind}"


def _lacking(cls: type[Any], kind: Kind) -> list[str]:
    """Return the methods of a family that a class does not have as the family does."""
    absent = [name for name in METHODS[kind] if not callable(getattr(cls, name, None))]
    if absent or kind not in ARGUMENTS:
        return absent
    return [f"{METHODS[kind][0]}() with {ARGUMENTS[kind]} arguments"]
