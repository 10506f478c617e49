"""The families of components, one row each: what it is called, where it is set, how it is checked.

Nothing is registered: which family a class belongs to is told by its methods.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import strategies
from fedgroup import attacks, data, methods, model, partitions, probes
from fedgroup.checks.dataset import check_dataset
from fedgroup.checks.method import check_method
from fedgroup.checks.model import check_model
from fedgroup.checks.partition import check_partition
from fedgroup.checks.runner import Answer
from fedgroup.checks.sample_attack import check_sample_attack
from fedgroup.checks.update_attack import check_update_attack
from fedgroup.errors import FedgroupError
from fedgroup.guards.kinds import METHODS, Kind, kind_of
from fedgroup.spec import Names, imported
from strategies.checks.rule_checks import check_aggregator


@dataclass(frozen=True)
class Family:
    """One kind of component."""

    kind: Kind
    title: str = ""
    """What `fedgroup list` calls the family; empty where it is not listed."""
    place: str = ""
    """Dotted path of its setting in a spec; empty where it has none."""
    names: Names = field(default_factory=dict)
    """Short name -> import path of those that ship with the project."""
    check: Callable[[Any], Iterator[Answer]] | None = None
    """The contract of the family; None where there is no check."""


FAMILIES = (
    Family("data set", "data sets", "task.data", data.NAMES, check_dataset),
    Family("partition", "partitions", "task.partition", partitions.NAMES, check_partition),
    Family("model", "models", "task.model", model.NAMES, check_model),
    Family(
        "sample attack",
        "attacks on samples",
        "task.attack",
        attacks.NAMES,
        check_sample_attack,
    ),
    Family(
        "update attack",
        "attacks on updates",
        "federation.byzantine",
        attacks.BYZANTINE_NAMES,
        check_update_attack,
    ),
    Family(
        "rule",
        "aggregation rules",
        "federation.aggregator",
        strategies.NAMES,
        check_aggregator,
    ),
    Family("Flower strategy"),
    Family("probe", names=probes.NAMES),
    Family("method", "centralized methods", "method", methods.NAMES, check_method),
)
"""Every family, in the order of `fedgroup list`."""
LISTED = tuple(family for family in FAMILIES if family.title)
"""Families that `fedgroup list` shows: those with a setting in a spec."""
CHECKED = tuple(family for family in FAMILIES if family.check is not None)
"""Families with a contract."""


def family_of(path: str) -> Family:
    """Return the family of the class behind an import path `module:Class`; refuse one of none."""
    kind = kind_of(imported_class(path))
    if kind is not None:
        return family_named(kind)
    told = "; ".join(f"{kind}: {' and '.join(names)}" for kind, names in METHODS.items())
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
