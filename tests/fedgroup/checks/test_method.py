"""Methods: ours hold the contract, and each check catches what it is there for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from fedgroup import methods
from fedgroup.checks.method import check_method
from fedgroup.methods.erm import ERM
from fedgroup.methods.jtt import JTT, error_set
from fedgroup.methods.method import Method
from fedgroup.spec import resolve
from tests.fedgroup.checks.failures import failed


@pytest.mark.parametrize("method", [ERM(), JTT(identify_epochs=2, upsample=3)])
def test_our_methods(method: Any) -> None:
    assert failed(check_method(method)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", methods.NAMES)
def test_our_methods_at_their_defaults(name: str) -> None:
    assert failed(check_method(resolve(methods.NAMES, name)())) == {}


@dataclass(frozen=True)
class Cheat(Method):
    """Finds by poison marks, which no defender has, and trains on the test split too."""

    def run(self, splits: Any, trainer: Any) -> None:
        train = splits.train
        trainer.record("eliminate", 0, train.poison, train.poison)
        trainer.train(splits.test)


@dataclass(frozen=True)
class Idle(Method):
    """Forgets the final model."""

    def run(self, splits: Any, trainer: Any) -> None:
        error_set(np.zeros(len(splits.train), np.int64), splits.train)


def test_careless_methods_are_caught() -> None:
    seen = failed(check_method(Cheat()))
    assert set(seen) == {"test_is_not_touched", "marks_find_nothing"}
    assert "use splits.train and splits.val alone" in seen["test_is_not_touched"]
    assert "depends on poison marks" in seen["marks_find_nothing"]
    assert "without a final model" in failed(check_method(Idle()))["one_final_model"]
