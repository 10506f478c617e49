"""Runs a suite of checks, and the checks that hold for every family."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any

Check = Callable[[Any], None]
Answer = tuple[str, str, str | None]
"""Name of a check, what it asks, and None or what was seen."""


def answers(component: Any, checks: Sequence[Check]) -> Iterator[Answer]:
    """Run every check, also after one that failed."""
    for check in checks:
        question = (check.__doc__ or "").strip().split("\n")[0]
        try:
            check(component)
        except AssertionError as error:
            yield check.__name__, question, str(error)
        except Exception as error:  # an outsider's component may raise anything
            yield check.__name__, question, f"{type(error).__name__}: {error}"
        else:
            yield check.__name__, question, None


def frozen_settings(component: Any) -> None:
    """Its settings cannot change under a run: it is a frozen dataclass."""
    params: Any = getattr(type(component), "__dataclass_params__", None)
    name = type(component).__name__
    assert params is not None, (
        f"{name} is not a dataclass: decorate it with @dataclass(frozen=True)"
    )
    assert params.frozen, f"the fields of {name} can be set: use @dataclass(frozen=True)"
    try:
        hash(component)
    except TypeError as error:
        raise AssertionError(
            f"it has no hash ({error}): use tuples and numbers as settings"
        ) from None


def nonsense_refused(component: Any, use: Callable[[Any], object]) -> None:
    """A setting that is not a number is refused, when it is set or when it is used."""
    for field in fields(component):
        if not field.init or type(getattr(component, field.name)) is not float:
            continue
        try:
            use(replace(component, **{field.name: math.nan}))
        except ValueError:  # FedgroupError is one
            continue
        raise AssertionError(
            f"{field.name}: nan was taken: refuse it in __post_init__ with a FedgroupError and its limits"
        )
