"""The public conformance suite of an aggregation rule: what every rule must hold, yours too.

    fedgroup check my_pkg.mod:MyRule

Each check is a function that raises AssertionError with what it saw; our own tests run it over
every rule.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedgroup.checks import runner
from fedgroup.checks.runner import Answer, answers, nonsense_refused, surroundings_kept
from fedgroup.guards.component_results import checked_state
from fedgroup.guards.surroundings import is_host
from fedgroup.seeding import rng
from strategies.aggregator import (
    Aggregator,
    State,
    Vector,
    check_start,
    copy_state,
    is_order_dependent,
)
from strategies.checks.round_check import non_finite_refused
from strategies.checks.rounding import allowance
from strategies.checks.toy_updates import cohort, first_state, inputs_of
from strategies.server.influence import influence_of


def starts(rule: Aggregator) -> None:
    """Require that a run with this rule would start: it has what it needs, and is not ignored."""
    _, clients, _ = cohort(rule)
    check_start(rule, len(clients), None)


def frozen_settings(rule: Aggregator) -> None:
    """Require a frozen dataclass with a hash: settings cannot change under a run."""
    runner.frozen_settings(rule)
    assert isinstance(rule.coordinatewise, bool), "coordinatewise must be True or False"
    assert rule.min_clients() >= 1, f"min_clients() is {rule.min_clients()}, expected at least 1"


def shape_and_dtype(rule: Aggregator) -> None:
    """Require a finite float32 result of theta's shape, and a state that a checkpoint can hold."""
    theta, clients, weights = cohort(rule)
    first = first_state(rule, theta)
    checked_state("init()", first)
    new, state = rule.step(first, theta, clients, weights)
    assert new.shape == theta.shape, f"shape {new.shape}, expected {theta.shape}"
    assert new.dtype == np.float32, f"dtype {new.dtype}, expected float32"
    assert np.isfinite(new).all(), "the result of finite clients is not finite"
    checked_state("step()", state)


def inputs_untouched(rule: Aggregator) -> None:
    """Require that nothing which is passed in is written to."""
    theta, clients, weights = cohort(rule)
    state = first_state(rule, theta)
    copies = (theta.copy(), [client.copy() for client in clients], weights.copy())
    state_copy = copy_state(state)
    arrays: list[NDArray[Any]] = [theta, *clients, weights, *state.values()]
    for array in arrays:
        array.setflags(write=False)
    new, _ = rule.step(state, theta, clients, weights)
    assert np.array_equal(theta, copies[0]), "theta was written to"
    assert all(np.array_equal(a, b) for a, b in zip(clients, copies[1], strict=True)), (
        "a client was written to"
    )
    assert np.array_equal(weights, copies[2]), "the weights were written to"
    assert all(np.array_equal(state[name], state_copy[name]) for name in state), (
        "the state was written to"
    )
    assert not any(np.shares_memory(new, array) for array in (theta, *clients)), (
        "the result shares memory"
    )


def deterministic(rule: Aggregator) -> None:
    """Require equal bits of equal arguments."""
    theta, clients, weights = cohort(rule)
    one = rule.step(first_state(rule, theta), theta, clients, weights)[0]
    two = rule.step(first_state(rule, theta), theta, clients, weights)[0]
    assert np.array_equal(one, two), "two equal calls differ"


def order_invariant(rule: Aggregator) -> None:
    """Require one result for any order of the clients, up to rounding; a rule may declare not."""
    theta, clients, weights = cohort(rule)
    if is_order_dependent(rule):
        return
    order = rng(0, "contract", "order").permutation(len(clients))
    one = rule.step(first_state(rule, theta), theta, clients, weights)[0]
    state = _in_order(first_state(rule, theta), order)
    two = rule.step(state, theta, [clients[i] for i in order], weights[order])[0]
    worst = float(np.abs(one - two).max())
    moved = float(np.abs(one - theta).max())
    first = first_state(rule, theta)
    assert worst < allowance(rule, first, theta, clients, weights, moved), (
        f"another order of the clients changes the result by {worst:.2g}: a rule that draws lots "
        f"by position says order_dependent: ClassVar[bool] = True"
    )


def _in_order(state: State, order: NDArray[np.int64]) -> State:
    """Return a state whose inputs that come with the clients are in another order too."""
    return {
        name: array[order] if name in ("ids", "losses") else array for name, array in state.items()
    }


def explicit_state(rule: Aggregator) -> None:
    """Require that interleaved runs do not meet, and that a copied state continues exactly."""

    def one_round(number: int, state: State, theta: Vector) -> tuple[Vector, State]:
        start, clients, weights = cohort(rule, number)
        return rule.step({**inputs_of(rule, start), **state}, theta, clients, weights)

    def alone(first: int) -> Vector:
        theta = cohort(rule, first)[0]
        state = first_state(rule, theta)
        for number in (first, first + 1):
            theta, state = one_round(number, state, theta)
        return theta

    expected = [alone(0), alone(10)]
    thetas = [cohort(rule, 0)[0], cohort(rule, 10)[0]]
    states = [first_state(rule, theta) for theta in thetas]
    for step in range(2):
        for run, first in enumerate((0, 10)):
            thetas[run], states[run] = one_round(first + step, copy_state(states[run]), thetas[run])
    for run in range(2):
        assert np.array_equal(thetas[run], expected[run]), (
            "two runs side by side disturb each other"
        )


def too_few_refused(rule: Aggregator) -> None:
    """Require that a cohort below min_clients() is refused; no setting is lowered to fit."""
    theta, clients, weights = cohort(rule)
    few = rule.min_clients() - 1
    try:
        rule.step(first_state(rule, theta), theta, clients[:few], weights[:few])
    except ValueError:  # FedgroupError is one; numpy's own refusal of no clients will do
        return
    raise AssertionError(
        f"{few} clients were aggregated although min_clients() is {rule.min_clients()}"
    )


def influence_is_shares(rule: Aggregator) -> None:
    """Require that influences, where a rule tells them, are not negative and sum to 1."""
    theta, clients, weights = cohort(rule)
    state = first_state(rule, theta)
    new, _ = rule.step(state, theta, clients, weights)
    shares = influence_of(rule, state, theta, clients, weights, new)
    if shares is None:
        return
    assert shares.shape == (len(clients),), f"influence has shape {shares.shape}"
    assert (shares >= 0).all(), "an influence is negative"
    assert abs(float(shares.sum()) - 1) < 1e-6, f"influences sum to {shares.sum():.6f}"


def agreement(rule: Aggregator) -> None:
    """Require that the model does not move where no client moved."""
    theta, clients, weights = cohort(rule)
    ordinary = rule.step(first_state(rule, theta), theta, clients, weights)[0]
    moved = float(np.abs(ordinary - theta).max())
    same = [theta.copy() for _ in clients]
    state = {**inputs_of(rule, theta), **rule.init(theta)}
    new, _ = rule.step(copy_state(state), theta, same, weights)
    worst = float(np.abs(new - theta).max())
    allowed = allowance(rule, state, theta, same, weights, moved)
    assert worst < allowed, (
        f"clients that all sent theta moved the model by {worst:.2g}; rounding explains "
        f"{allowed:.2g}, and clients that moved moved it by {moved:.2g}"
    )


def settings_are_checked(rule: Aggregator) -> None:
    """Require that a setting which is not a number is refused, when it is set or used."""

    def use(changed: Aggregator) -> None:
        theta, clients, weights = cohort(rule)
        changed.step(first_state(changed, theta), theta, clients, weights)

    nonsense_refused(rule, use)


def surroundings_stay(rule: Aggregator) -> None:
    """Require that it leaves the process as it is: threads, handlers, random streams, folder."""

    def use(rule: Aggregator) -> None:
        theta, clients, weights = cohort(rule)
        rule.step(first_state(rule, theta), theta, clients, weights)

    surroundings_kept(rule, use, streams=not is_host(rule))


CHECKS: tuple[Callable[[Aggregator], None], ...] = (
    frozen_settings,
    starts,
    shape_and_dtype,
    inputs_untouched,
    deterministic,
    order_invariant,
    explicit_state,
    too_few_refused,
    influence_is_shares,
    agreement,
    non_finite_refused,
    settings_are_checked,
    surroundings_stay,
)


def check_aggregator(rule: Aggregator) -> Iterator[Answer]:
    """Run every check: yield its name, what it asks, and None or what was seen."""
    return answers(rule, CHECKS)
