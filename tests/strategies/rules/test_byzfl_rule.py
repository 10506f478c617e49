"""Any ByzFL aggregator as a rule."""

import sys
import types
from typing import Any

import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from strategies.checks import check_aggregator
from strategies.rules.byzfl_rule import ByzflRule
from strategies.rules.median import Median
from strategies.toy_updates import cohort


@pytest.fixture
def fake_byzfl(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the adapter uses of ByzFL, with one rule and one pre-aggregator."""

    class TrMean:
        def __init__(self, f: int = 0) -> None:
            self.f = f

        def __call__(self, vectors: Any) -> Any:
            return np.sort(vectors, 0)[self.f : len(vectors) - self.f].mean(0)

    class Double:
        def __call__(self, vectors: Any) -> Any:
            return 2 * vectors

    package = types.ModuleType("byzfl")
    for cls in (TrMean, Double):
        cls.__module__ = "byzfl.aggregators.any"
        setattr(package, cls.__name__, cls)
    monkeypatch.setitem(sys.modules, "byzfl", package)


def one_step(rule: Any, number: int = 0, state: Any = None) -> Any:
    theta, clients, weights = cohort(Median(), number)
    return rule.step(rule.init(theta) if state is None else state, theta, clients, weights)


def test_byzfl_adapter_acts_on_updates(fake_byzfl: None) -> None:
    theta, clients, _ = cohort(Median())
    updates = np.stack([client - theta for client in clients])
    expected = np.sort(updates, 0)[2:-2].mean(0)
    assert np.allclose(one_step(ByzflRule())[0], theta + expected, atol=1e-6)
    assert np.allclose(one_step(ByzflRule(pre="Double"))[0], theta + 2 * expected, atol=1e-6)
    with pytest.raises(
        FedgroupError, match="no ByzFL aggregator called 'TrMan'; did you mean 'TrMean'"
    ):
        one_step(ByzflRule("TrMan"))
    with pytest.raises(FedgroupError, match="refuses its options"):
        one_step(ByzflRule(options=(("g", 1),)))


def test_byzfl_missing() -> None:
    try:
        import byzfl  # noqa: F401
    except ImportError:
        with pytest.raises(FedgroupError, match=r"pip install 'fedgroup\[byzfl\]'"):
            one_step(ByzflRule())


@pytest.mark.parametrize(
    ("name", "options", "pre", "pre_options"),
    [
        ("Average", (), "", ()),
        ("Median", (), "", ()),
        ("TrMean", (("f", 2),), "", ()),
        ("MultiKrum", (("f", 2),), "NNM", (("f", 2),)),
        ("GeometricMedian", (), "", ()),
    ],
)
def test_real_byzfl(name: str, options: Any, pre: str, pre_options: Any) -> None:
    pytest.importorskip("byzfl")
    faults = {c: f for c, _, f in check_aggregator(ByzflRule(name, options, pre, pre_options)) if f}
    assert not faults
