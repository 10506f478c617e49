"""Attacks on updates: ours hold the contract, and each check catches what it is there for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from fedgroup import attacks
from fedgroup.checks.update_attack import check_update_attack
from fedgroup.spec import resolve
from tests.fedgroup.checks.failures import failed


@pytest.mark.parametrize("name", attacks.BYZANTINE_NAMES)
def test_our_update_attacks(name: str) -> None:
    assert failed(check_update_attack(resolve(attacks.BYZANTINE_NAMES, name)())) == {}


@dataclass(frozen=True)
class CarelessForger:
    """Writes to what it is given, forgets an attacker, answers in float64."""

    def init(self, size: int) -> dict[str, Any]:
        return {"round": 0}

    def forge(self, state: Any, own: Any, honest: Any, rng: Any, ids: Any = None) -> Any:
        state["round"] += 1
        return [delta.astype(np.float64) for delta in own[1:]], state


@dataclass(frozen=True)
class Overwriter:
    """Negates in place."""

    def init(self, size: int) -> dict[str, Any]:
        return {}

    def forge(self, state: Any, own: Any, honest: Any, rng: Any, ids: Any = None) -> Any:
        for delta in own:
            delta *= -1
        return list(own), state


def test_careless_update_attacks_are_caught() -> None:
    seen = failed(check_update_attack(CarelessForger()))
    assert "2 deltas for 3 attackers" in seen["shape_and_dtype"]
    assert "inputs_untouched" in seen
    assert "no_attackers" in seen
    assert "written to" in failed(check_update_attack(Overwriter()))["inputs_untouched"]
