"""The families of components, one row each: what it is called, where it is set, how it is checked.

Nothing is registered: which family a class belongs to is told by its methods.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import strategies
from fedgroup import attacks, data, methods, model, partitions, probes
from fedgroup.checks.dataset import check_dataset
from fedgroup.checks.method import check_method
from fedgroup.checks.partition import check_partition
from fedgroup.checks.runner import Answer
from fedgroup.checks.sample_attack import check_sample_attack
from fedgroup.checks.update_attack import check_update_attack
from fedgroup.errors import FedgroupError
from fedgroup.spec import Names, imported
from strategies.checks import check_aggregator

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


@dataclass(frozen=True)
class Family:
    """One kind of component."""

    kind: Kind
    methods: tuple[str, ...]
    """Methods by which a class of it is known."""
    title: str = ""
    """What `fedgroup list` calls the family; empty where it is not listed."""
    place: str = ""
    """Dotted path of its setting in a spec; empty where it has none."""
    names: Names = field(default_factory=dict)
    """Short name -> import path of those that ship with the project."""
    check: Callable[[Any], Iterator[Answer]] | None = None
    """The contract of the family; None where there is no check."""
    arguments: int | None = None
    """How many arguments its only method takes, where that tells it from another family."""

    def fits(self, cls: type[Any]) -> bool:
        """Return whether a class has the methods of this family."""
        if not all(callable(getattr(cls, method, None)) for method in self.methods):
            return False
        if self.arguments is None:
            return True
        own = inspect.signature(getattr(cls, self.methods[0])).parameters
        return len(own) == 1 + self.arguments


FAMILIES = (
    Family("data set", ("load",), "data sets", "task.data", data.NAMES, check_dataset),
    Family(
        "partition", ("assign",), "partitions", "task.partition", partitions.NAMES, check_partition
    ),
    Family("model", ("build",), "models", "task.model", model.NAMES),
    Family(
        "sample attack",
        ("poison", "success"),
        "attacks on samples",
        "task.attack",
        attacks.NAMES,
        check_sample_attack,
    ),
    Family(
        "update attack",
        ("init", "forge"),
        "attacks on updates",
        "federation.byzantine",
        attacks.BYZANTINE_NAMES,
        check_update_attack,
    ),
    Family(
        "rule",
        ("init", "step"),
        "aggregation rules",
        "federation.aggregator",
        strategies.NAMES,
        check_aggregator,
    ),
    Family("Flower strategy", ("configure_train", "aggregate_train")),
    # a probe's run gets a run directory, a method's gets splits and a trainer
    Family("probe", ("run",), names=probes.NAMES, arguments=1),
    Family("method", ("run",), "centralized methods", "method", methods.NAMES, check_method),
)
"""Every family, in the order of `fedgroup list`."""
LISTED = tuple(family for family in FAMILIES if family.title)
"""Families that `fedgroup list` shows: those with a setting in a spec."""
CHECKED = tuple(family for family in FAMILIES if family.check is not None)
"""Families with a contract."""


def family_of(path: str) -> Family:
    """Return the family of the class behind an import path `module:Class`; refuse one of none.

    Two methods tell a family more surely than one, so those families are tried first.
    """
    cls = imported_class(path)
    surest_first = sorted(FAMILIES, key=lambda family: -len(family.methods))
    for family in surest_first:
        if family.fits(cls):
            return family
    told = "; ".join(f"{family.kind}: {' and '.join(family.methods)}" for family in surest_first)
    raise FedgroupError(f"'{path}' is of no known family: it lacks their methods ({told})")


def family_named(kind: Kind) -> Family:
    """Return the family whose components are called `kind`."""
    return next(family for family in FAMILIES if family.kind == kind)


def imported_class(path: str) -> type[Any]:
    """Return the class behind an import path; refuse anything else."""
    target = imported(path)
    if not isinstance(target, type):
        raise FedgroupError(f"'{path}' is not a class: give my_pkg.mod:Class")
    return target
