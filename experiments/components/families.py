"""Which family a component belongs to, told by its methods: nothing is registered."""

import inspect
from typing import Any, Literal

from fedgroup.errors import FedgroupError
from fedgroup.spec import imported

Family = Literal[
    "Flower strategy",
    "rule",
    "sample attack",
    "update attack",
    "method",
    "data set",
    "partition",
    "model",
    "probe",
]

METHODS: dict[Family, tuple[str, ...]] = {
    "Flower strategy": ("configure_train", "aggregate_train"),
    "rule": ("init", "step"),
    "sample attack": ("poison", "success"),
    "update attack": ("init", "forge"),
    "data set": ("load",),
    "partition": ("assign",),
    "model": ("build",),
    "method": ("run",),
}
"""Methods by which a family is known, the families that are surest first."""


def family(path: str) -> Family:
    """Family of the class behind an import path `module:Class`; refuses what is of none."""
    found = load(path)
    for name, methods in METHODS.items():
        if all(callable(getattr(found, method, None)) for method in methods):
            return "probe" if name == "method" and _of_one_folder(found) else name
    known = "; ".join(f"{name}: {' and '.join(methods)}" for name, methods in METHODS.items())
    raise FedgroupError(f"'{path}' is of no known family: it lacks their methods ({known})")


def _of_one_folder(found: Any) -> bool:
    """A probe's run gets a run directory, a method's gets splits and a trainer."""
    return len(inspect.signature(found.run).parameters) == 2


def load(path: str) -> type[Any]:
    """Class behind an import path."""
    found = imported(path)
    if not isinstance(found, type):
        raise FedgroupError(f"'{path}' is not a class: give my_pkg.mod:Class")
    return found
