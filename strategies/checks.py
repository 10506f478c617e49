"""The public conformance suite of an aggregation rule: what every rule must hold, yours too.

    fedgroup check my_pkg.mod:MyRule

Each check is a function that raises AssertionError with what it saw; our own tests run it over every rule.
"""

from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from numpy.typing import NDArray
from torch import nn

from fedgroup.checks.runner import Answer, answers
from fedgroup.layout import Layout, Weights
from fedgroup.seeding import rng
from fedgroup.update import ARRAYS, METRICS
from strategies.aggregator import Aggregator, State, Vector, copy_state, influence_of
from strategies.federation import Federation
from strategies.records import to_record
from strategies.server.flower_strategy import Hosted
from strategies.server.messages import LentIdentity, with_id

SIZE = 2_000
Cohort = tuple[Vector, list[Vector], NDArray[np.float64]]


def cohort(rule: Aggregator, number: int = 0, size: int = SIZE) -> Cohort:
    """A global vector, enough clients for the rule (at least 10), and their sample counts."""
    generator = rng(0, "contract", number)
    theta = generator.normal(0, 1, size).astype(np.float32)
    count = max(10, rule.min_clients())
    drift = generator.normal(0, 0.05, size)
    clients = [
        (theta + drift + generator.normal(0, 0.05, size)).astype(np.float32) for _ in range(count)
    ]
    return theta, clients, generator.integers(20, 60, count).astype(np.float64)


def _start(rule: Aggregator, theta: Vector) -> State:
    state = rule.init(theta)
    if "root" in state:  # rules with a root set get the server's own vector before each step
        state = {
            **state,
            "root": theta + rng(0, "contract", "root").normal(0, 0.05, len(theta)).astype("f4"),
        }
    return state


def frozen_settings(rule: Aggregator) -> None:
    """A rule is a frozen dataclass: its settings cannot change under a run."""
    kind: Any = type(rule)
    assert is_dataclass(kind), f"{kind.__name__} is not a dataclass"
    for field in fields(kind):
        try:
            setattr(rule, field.name, getattr(rule, field.name))
        except FrozenInstanceError:
            continue
        raise AssertionError(f"field {field.name} can be set: use @dataclass(frozen=True)")
    assert isinstance(rule.coordinatewise, bool), "coordinatewise must be True or False"
    assert rule.min_clients() >= 1, f"min_clients() is {rule.min_clients()}, expected at least 1"


def shape_and_dtype(rule: Aggregator) -> None:
    """The result is float32 of theta's shape, finite, and the state is named arrays."""
    theta, clients, weights = cohort(rule)
    new, state = rule.step(_start(rule, theta), theta, clients, weights)
    assert new.shape == theta.shape, f"shape {new.shape}, expected {theta.shape}"
    assert new.dtype == np.float32, f"dtype {new.dtype}, expected float32"
    assert np.isfinite(new).all(), "the result of finite clients is not finite"
    assert all(isinstance(value, np.ndarray) for value in state.values()), (
        "state must be named arrays"
    )


def inputs_untouched(rule: Aggregator) -> None:
    """Nothing that is passed in is written to."""
    theta, clients, weights = cohort(rule)
    state = _start(rule, theta)
    held = (theta.copy(), [client.copy() for client in clients], weights.copy(), copy_state(state))
    arrays: list[NDArray[Any]] = [theta, *clients, weights, *state.values()]
    for array in arrays:
        array.setflags(write=False)
    new, _ = rule.step(state, theta, clients, weights)
    assert np.array_equal(theta, held[0]), "theta was written to"
    assert all(np.array_equal(a, b) for a, b in zip(clients, held[1], strict=True)), (
        "a client was written to"
    )
    assert np.array_equal(weights, held[2]), "the weights were written to"
    assert all(np.array_equal(state[name], held[3][name]) for name in state), (
        "the state was written to"
    )
    assert not any(np.shares_memory(new, array) for array in (theta, *clients)), (
        "the result shares memory"
    )


def deterministic(rule: Aggregator) -> None:
    """Equal arguments give equal bits."""
    theta, clients, weights = cohort(rule)
    one = rule.step(_start(rule, theta), theta, clients, weights)[0]
    two = rule.step(_start(rule, theta), theta, clients, weights)[0]
    assert np.array_equal(one, two), "two equal calls differ"


def order_invariant(rule: Aggregator) -> None:
    """The order of the clients does not matter beyond float rounding (rules that draw lots excepted)."""
    theta, clients, weights = cohort(rule)
    if "round" in rule.init(theta):
        return
    order = rng(0, "contract", "order").permutation(len(clients))
    one = rule.step(_start(rule, theta), theta, clients, weights)[0]
    two = rule.step(_start(rule, theta), theta, [clients[i] for i in order], weights[order])[0]
    worst = float(np.abs(one - two).max())
    assert worst < 1e-5, f"another order of the clients changes the result by {worst:.2g}"


def explicit_state(rule: Aggregator) -> None:
    """Two interleaved runs do not meet, and a copied state continues exactly."""

    def rounds(number: int, state: State, theta: Vector) -> tuple[Vector, State]:
        _, clients, weights = cohort(rule, number)
        return rule.step(state, theta, clients, weights)

    def alone(first: int) -> Vector:
        theta = cohort(rule, first)[0]
        state = _start(rule, theta)
        for number in (first, first + 1):
            theta, state = rounds(number, state, theta)
        return theta

    expected = [alone(0), alone(10)]
    thetas = [cohort(rule, 0)[0], cohort(rule, 10)[0]]
    states = [_start(rule, theta) for theta in thetas]
    for step in range(2):
        for run, first in enumerate((0, 10)):
            thetas[run], states[run] = rounds(first + step, copy_state(states[run]), thetas[run])
    for run in range(2):
        assert np.array_equal(thetas[run], expected[run]), (
            "two runs side by side disturb each other"
        )


def too_few_refused(rule: Aggregator) -> None:
    """A cohort below min_clients() is refused; no setting is lowered to fit."""
    theta, clients, weights = cohort(rule)
    few = rule.min_clients() - 1
    try:
        rule.step(_start(rule, theta), theta, clients[:few], weights[:few])
    except ValueError:  # FedgroupError is one; numpy's own refusal of no clients will do
        return
    raise AssertionError(
        f"{few} clients were aggregated although min_clients() is {rule.min_clients()}"
    )


def influence_is_shares(rule: Aggregator) -> None:
    """Where a rule says each client's influence, it is shares: not negative, summing to 1."""
    theta, clients, weights = cohort(rule)
    state = _start(rule, theta)
    new, _ = rule.step(state, theta, clients, weights)
    shares = influence_of(rule, state, theta, clients, weights, new)
    if shares is None:
        return
    assert shares.shape == (len(clients),), f"influence has shape {shares.shape}"
    assert (shares >= 0).all(), "an influence is negative"
    assert abs(float(shares.sum()) - 1) < 1e-6, f"influences sum to {shares.sum():.6f}"


def agreement(rule: Aggregator) -> None:
    """Where all clients did not move, the model does not move."""
    theta, clients, weights = cohort(rule)
    same = [theta.copy() for _ in clients]
    new, _ = rule.step(rule.init(theta), theta, same, weights)
    worst = float(np.abs(new - theta).max())
    assert worst < 1e-5, f"clients that all sent theta moved the model by {worst:.2g}"


def non_finite_refused(rule: Aggregator) -> None:
    """In our host, a client that sends NaN is refused by name and the others go on."""
    theta, clients, _ = cohort(rule)
    clients.append(clients[0].copy())  # one more than needed, so that the round still counts
    clients[3] = np.full_like(theta, np.nan)
    host = _host(rule, theta, len(clients))
    with LentIdentity():
        replies = []
        for number, message in enumerate(
            host.configure_train(1, to_record(host.weights), ConfigRecord(), _NONE)
        ):
            sent = Weights(clients[number], host.weights.buffers, host.weights.counters)
            metrics = {"partition-id": number, "num-examples": 40, "loss": 1.0, "groups": [40]}
            content = RecordDict({ARRAYS: to_record(sent), METRICS: MetricRecord(metrics)})  # type: ignore[arg-type]
            replies.append(Message(content=content, reply_to=with_id(message, str(number + 1))))
        host.aggregate_train(1, replies)
    refused = [row for row in host.log.clients if row["status"] != "ok"]
    assert [row["client"] for row in refused] == [3], f"refused {refused}, expected client 3 alone"
    assert "NaN" in refused[0]["reason"], f"the reason says nothing of NaN: {refused[0]['reason']}"
    assert host.log.failed is None, f"the round failed: {host.log.failed}"
    assert np.isfinite(host.weights.theta).all(), "the model is not finite"


_NONE: Any = None


def _host(rule: Aggregator, theta: Vector, count: int) -> Hosted:
    """Our Flower strategy around the rule, for a linear model of theta's size."""
    layout = Layout.of(nn.Linear(len(theta) - 1, 1))
    nothing = np.empty(0, np.float32)
    weights = Weights(theta, nothing, nothing.astype(np.int64))
    roster = {client: client + 2 for client in range(count)}
    federation = Federation(aggregator=rule, fraction=1.0)
    return Hosted(
        federation, layout, [np.arange(count)], roster, "{}", weights, _start(rule, theta)
    )


CHECKS: tuple[Callable[[Aggregator], None], ...] = (
    frozen_settings,
    shape_and_dtype,
    inputs_untouched,
    deterministic,
    order_invariant,
    explicit_state,
    too_few_refused,
    influence_is_shares,
    agreement,
    non_finite_refused,
)


def check_aggregator(rule: Aggregator) -> Iterator[Answer]:
    """Run every check: (name, what it asks, None or what was seen)."""
    return answers(rule, CHECKS)
