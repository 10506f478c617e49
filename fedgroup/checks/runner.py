"""Runs a suite of checks, and has the checks that every family shares.

A check is a function of a component that raises AssertionError with what it saw and what to do; its
name and the first line of its docstring say what it asks.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple, TypeVar

from fedgroup.guards.surroundings import Surroundings, kept
from fedgroup.seeding import changed_streams, global_state, restore_global_state

C = TypeVar("C")
"""A component of one family."""


class Answer(NamedTuple):
    """What came of one check."""

    check: str
    """Name of the check."""
    question: str
    """What it asks."""
    failure: str | None
    """What was seen and what to do about it; None where the component holds."""


def answers(component: C, checks: Sequence[Callable[[C], None]]) -> Iterator[Answer]:
    """Run every check of a suite on a component, also after one that failed.

    Args:
        component: A component of the family, with its settings.
        checks: The suite.

    Yields:
        One answer per check, in order; whatever the component raises is an answer too.
    """
    for check in checks:
        question = (check.__doc__ or "").strip().split("\n")[0]
        try:
            with kept(type(component).__name__):  # no check sees what another one changed
                check(component)
        except AssertionError as error:
            yield Answer(check.__name__, question, str(error))
        except Exception as error:  # an outsider's component may raise anything
            yield Answer(check.__name__, question, f"{type(error).__name__}: {error}")
        else:
            yield Answer(check.__name__, question, None)


def frozen_settings(component: object) -> None:
    """Require a frozen dataclass: settings cannot change under a run."""
    params: Any = getattr(type(component), "__dataclass_params__", None)
    name = type(component).__name__
    assert params is not None, (
        f"{name} is not a dataclass: decorate it with @dataclass(frozen=True)"
    )
    assert params.frozen, f"the fields of {name} can be set: use @dataclass(frozen=True)"


def nonsense_refused(component: C, use: Callable[[C], object]) -> None:
    """Require that a setting which is not a number is refused, when it is set or when it is used.

    `use` does with a component what a run would do.
    """
    settings: Any = component
    for field in fields(settings):
        if not field.init or type(getattr(component, field.name)) is not float:
            continue
        try:
            use(replace(settings, **{field.name: math.nan}))
        except ValueError:  # FedgroupError is one
            continue
        raise AssertionError(
            f"{field.name}: nan was taken: refuse it in __post_init__ with a FedgroupError and its "
            f"limits"
        )


def surroundings_kept(component: C, use: Callable[[C], object], streams: bool = True) -> None:
    """Require that a component leaves the process as it was: see fedgroup/guards/surroundings.py.

    Args:
        component: The component.
        use: Does with it what a run would do.
        streams: Whether the global random streams must stay where they were, too.

    Raises:
        AssertionError: It changes something; a run would put it back.
    """
    name = type(component).__name__
    with kept(name):  # what it imports at its first call may set up the process
        use(component)
    before, stood = Surroundings(), global_state()
    try:
        use(component)
        drawn = changed_streams(stood)
    finally:
        restore_global_state(stood)
        changed = before.restore(name)
    assert not changed, f"it changes {' and '.join(changed)}: leave that as it is"
    assert not (streams and drawn), (
        f"it draws from or seeds the global random stream of {' and '.join(drawn)}: draw from the "
        f"generator it is given, or from fedgroup.seeding.rng(seed, ...)"
    )
