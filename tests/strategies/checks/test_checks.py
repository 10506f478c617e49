"""The contract of a rule, over every rule and over one that breaks it."""

from typing import Any

import numpy as np
import pytest

from strategies.checks.rule_checks import CHECKS, check_aggregator
from tests.strategies.rules.vectors import everyone


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("rule", everyone(), ids=lambda r: type(r).__name__)
def test_contract(rule: Any, check: Any) -> None:
    check(rule)


class Careless:
    """Everything a rule should not be."""

    coordinatewise = True
    total: Any = None

    def min_clients(self) -> int:
        return 3

    def init(self, theta: Any) -> dict[str, Any]:
        return {}

    def step(self, state: Any, theta: Any, clients: Any, weights: Any) -> Any:
        clients[0] += 1  # writes to its input
        Careless.total = (
            clients[0] if Careless.total is None else Careless.total + clients[0]
        )  # hidden state
        return np.asarray(Careless.total, np.float64), state


def test_the_contract_catches_a_careless_rule() -> None:
    seen = {name: fault for name, _, fault in check_aggregator(Careless())}
    for name in (
        "frozen_settings",
        "shape_and_dtype",
        "inputs_untouched",
        "deterministic",
        "explicit_state",
    ):
        assert seen[name] is not None, name
    assert seen["too_few_refused"] is not None
