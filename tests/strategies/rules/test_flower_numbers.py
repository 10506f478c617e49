"""What Flower's own strategies make of a round, against their equations."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from strategies.checks.rule_checks import check_aggregator
from strategies.checks.toy_updates import cohort
from strategies.rules.flower_rule import FlowerRule
from strategies.rules.median import Median
from tests.strategies.rules.test_flower_needs import FLOWER, WORKS

pytestmark = pytest.mark.usefixtures("no_collecting")


@pytest.mark.parametrize("name", WORKS)
def test_every_strategy_of_flowers_keeps_the_contract(name: str) -> None:
    faults = {
        check: fault
        for check, _, fault in check_aggregator(FlowerRule(FLOWER + name, WORKS[name]))
        if fault
    }
    assert not faults


THETA, CLIENTS, WEIGHTS = cohort(Median())
W = THETA.astype(np.float64)
STACK = np.stack(CLIENTS).astype(np.float64)
SHARES = WEIGHTS / WEIGHTS.sum()
MEAN = SHARES @ STACK
DELTA = MEAN - W
LOSSES = np.linspace(0.2, 2.0, len(CLIENTS))


def nearest(f: int) -> Any:
    """Clients by the sum of their squared distances to the n - f - 2 nearest, the lowest first."""
    distances = ((STACK[:, None] - STACK[None]) ** 2).sum(-1)
    near = np.sort(distances, axis=1)[:, 1 : len(STACK) - f - 1]
    return np.argsort(near.sum(1), kind="stable")


def weighted(members: Any) -> Any:
    return (SHARES[members] / SHARES[members].sum()) @ STACK[members]


def bulyan(f: int) -> Any:
    """Of n - 2f that Multi-Krum selects, the n - 4f values nearest to the median."""
    selected = STACK[nearest(f)[: len(STACK) - 2 * f]]
    order = np.argsort(np.abs(selected - np.median(selected, 0)), axis=0)
    return np.take_along_axis(selected, order[: len(STACK) - 4 * f], 0).mean(0)


def fair(q: float, rate: float) -> Any:
    """Li et al., ICLR 2020, algorithm 2, with L = 1 / rate."""
    gradients = (W - STACK) / rate
    powers = (LOSSES + 1e-10) ** q
    steps = powers[:, None] * gradients
    lengths = (gradients**2).sum(1)
    return W - steps.sum(0) / (q * (LOSSES + 1e-10) ** (q - 1) * lengths + powers / rate).sum()


EXPECTED: dict[str, Callable[[], Any]] = {
    "Bulyan": lambda: bulyan(1),
    "FedAdagrad": lambda: W + 0.1 * DELTA / (np.abs(DELTA) + 1e-3),
    "FedAdam": lambda: (
        W
        + 0.1 * np.sqrt(1 - 0.99**2) / (1 - 0.9**2)
        * 0.1 * DELTA / (np.sqrt(0.01 * DELTA**2) + 1e-3)
    ),
    "FedAvg": lambda: MEAN,
    "FedAvgM": lambda: MEAN,  # momentum begins with the first step
    "FedMedian": lambda: np.median(STACK, 0),
    "FedProx": lambda: MEAN,  # the term is the clients'
    "FedTrimmedAvg": lambda: np.sort(STACK, 0)[2:-2].mean(0),
    "FedYogi": lambda: W + 0.01 * 0.1 * DELTA / (np.sqrt(0.01 * DELTA**2) + 1e-3),
    "Krum": lambda: STACK[nearest(2)[0]],
    "MultiKrum": lambda: weighted(nearest(2)[:5]),
    "QFedAvg": lambda: fair(0.1, 0.01),
}  # fmt: skip
"""What every strategy makes of the first round, worked out from its own equation."""


@pytest.mark.parametrize("name", WORKS)
def test_every_strategy_of_flowers_gives_its_own_number(name: str) -> None:
    rule = FlowerRule(FLOWER + name, WORKS[name])
    state = {**rule.init(THETA), "losses": LOSSES}
    new = rule.step(state, THETA, CLIENTS, WEIGHTS)[0]
    assert new.dtype == np.float32
    np.testing.assert_allclose(new, EXPECTED[name](), rtol=0, atol=2e-5)


def test_momentum_goes_on_in_the_second_round() -> None:
    rule = FlowerRule(FLOWER + "FedAvgM", WORKS["FedAvgM"])
    first, state = rule.step(rule.init(THETA), THETA, CLIENTS, WEIGHTS)
    second, _ = rule.step(state, first, CLIENTS, WEIGHTS)
    velocity = DELTA
    velocity = 0.9 * velocity + (MEAN - (W + velocity))
    np.testing.assert_allclose(second, W + DELTA + velocity, rtol=0, atol=1e-5)


def test_a_loss_that_one_client_does_not_say_is_named() -> None:
    rule = FlowerRule(FLOWER + "QFedAvg", WORKS["QFedAvg"])
    losses = LOSSES.copy()
    losses[3] = np.nan
    with pytest.raises(FedgroupError, match="AggregationError: Missing or invalid training loss"):
        rule.step({**rule.init(THETA), "losses": losses}, THETA, CLIENTS, WEIGHTS)
