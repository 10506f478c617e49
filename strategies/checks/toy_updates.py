"""A cohort of random clients, for the checks of aggregation rules."""

import numpy as np
from numpy.typing import NDArray

from fedgroup.seeding import rng
from strategies.aggregator import Aggregator, State, Vector, needs_of

SIZE = 2_000
Cohort = tuple[Vector, list[Vector], NDArray[np.float64]]


def cohort(rule: Aggregator, number: int = 0, size: int = SIZE) -> Cohort:
    """Draw a global vector, enough clients for a rule (at least 10), and their sample counts.

    Args:
        rule: The rule.
        number: Which draw; equal numbers give equal draws.
        size: Parameters D of the vectors.

    Returns:
        theta (D,), the N clients' vectors (D,), and their samples (N,).
    """
    generator = rng(0, "contract", number)
    theta = generator.normal(0, 1, size).astype(np.float32)
    count = max(10, rule.min_clients())
    drift = generator.normal(0, 0.05, size)
    clients = [
        (theta + drift + generator.normal(0, 0.05, size)).astype(np.float32) for _ in range(count)
    ]
    return theta, clients, generator.integers(20, 60, count).astype(np.float64)


def inputs_of(rule: Aggregator, theta: Vector) -> State:
    """Return what a rule needs of the server and the clients of `cohort`, by name."""
    count = max(10, rule.min_clients())
    inputs: State = {
        "root": theta + rng(0, "contract", "root").normal(0, 0.05, len(theta)).astype("f4"),
        "ids": np.arange(count),
        "losses": rng(0, "contract", "losses").uniform(0.1, 2.0, count),
    }
    return {name: inputs[name] for name in needs_of(rule)}


def first_state(rule: Aggregator, theta: Vector) -> State:
    """Return a rule's first state, with what it needs."""
    return {**rule.init(theta), **inputs_of(rule, theta)}
