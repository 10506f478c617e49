"""What the checks of rules put down to rounding, and what not."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from strategies.checks import rule_checks
from strategies.checks.rounding import LEAST, allowance
from strategies.checks.toy_updates import cohort
from strategies.rules.fedavg import FedAvg
from strategies.rules.flower_rule import FlowerRule
from strategies.rules.median import Median

ADAGRAD = FlowerRule("flwr.serverapp.strategy:FedAdagrad")


def answers(rule: Any) -> dict[str, str | None]:
    return {answer.check: answer.failure for answer in rule_checks.check_aggregator(rule)}


@dataclass(frozen=True)
class Drifts(FedAvg):
    """Moves by `by` whatever the clients send."""

    by: float = 0.001

    def step(self, state: Any, theta: Any, clients: Any, weights: Any) -> Any:
        new, state = super().step(state, theta, clients, weights)
        return new + np.float32(self.by), state


@dataclass(frozen=True)
class Ordered(FedAvg):
    """Counts the first client twice, more or less."""

    more: float = 0.01

    def step(self, state: Any, theta: Any, clients: Any, weights: Any) -> Any:
        new, state = super().step(state, theta, clients, weights)
        return new + np.float32(self.more) * (clients[0] - theta), state


def test_an_adaptive_rule_is_allowed_what_it_makes_of_an_ulp() -> None:
    """4.8e-5: eta 0.1 times an ulp of 4.8e-7 (numbers of 4 to 8) over tau 1e-3."""
    theta, clients, weights = cohort(ADAGRAD)
    same = [theta.copy() for _ in clients]
    moved = float(np.abs(ADAGRAD.step(ADAGRAD.init(theta), theta, same, weights)[0] - theta).max())
    assert LEAST < moved < 1e-4
    assert moved < allowance(ADAGRAD, ADAGRAD.init(theta), theta, same, weights, 0.1) < 3e-4
    assert answers(ADAGRAD)["agreement"] is None


def test_a_plain_mean_is_allowed_no_more_than_before() -> None:
    theta, clients, weights = cohort(Median())
    for rule in (FedAvg(), Median()):
        assert allowance(rule, {}, theta, clients, weights, 0.1) == LEAST


def test_what_a_rule_amplifies_is_at_most_a_hundredth_of_a_step() -> None:
    theta, _, weights = cohort(ADAGRAD)
    same = [theta.copy() for _ in weights]
    assert allowance(ADAGRAD, ADAGRAD.init(theta), theta, same, weights, 0.002) == 2e-5


def test_a_rule_that_drifts_still_fails() -> None:
    failure = answers(Drifts())["agreement"]
    assert failure is not None
    assert "moved the model by 0.001; rounding explains 1e-05" in failure
    assert answers(Drifts(by=3e-5))["agreement"] is not None


def test_a_rule_that_minds_the_order_still_fails() -> None:
    failure = answers(Ordered())["order_invariant"]
    assert failure is not None
    assert "another order of the clients changes the result" in failure


def test_a_rule_that_would_not_start_fails_its_contract() -> None:
    failure = answers(FlowerRule("flwr.serverapp.strategy:FedProx"))["starts"]
    assert failure is not None
    assert "proximal_mu is 0, which is FedAvg" in failure
