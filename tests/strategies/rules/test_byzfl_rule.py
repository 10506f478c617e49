"""Any ByzFL aggregator as a rule."""

import sys
import types
from typing import Any

import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from fedgroup.identity.run_identity import identity
from fedgroup.seeding import global_streams
from fedgroup.task import Task
from strategies.checks.rule_checks import check_aggregator
from strategies.checks.toy_updates import cohort
from strategies.federation import Federation
from strategies.rules.byzfl_rule import ByzflRule
from strategies.rules.median import Median
from tests.strategies.rules import fake_byzfl as fake


@pytest.fixture
def fake_byzfl(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with the classes that ByzFL documents, and three more that misbehave."""

    class Double:
        def __call__(self, vectors: Any) -> Any:
            return 2 * vectors

    package = types.ModuleType("byzfl")
    own = (fake.Columns, fake.Rounded, Double)
    for cls in (*fake.AGGREGATORS, *fake.PRE_AGGREGATORS, *own):
        monkeypatch.setattr(cls, "__module__", "byzfl.aggregators.any")
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


TOLERANT = ("TrMean", "Krum", "MultiKrum", "MDA", "MoNNA", "Meamed", "CAF", "SMEA")


def options_of(name: str) -> dict[str, Any]:
    if name in ("MDA", "SMEA"):  # they look at every subset
        return {"f": 1}
    return {"f": 2} if name in (*TOLERANT, "NNM", "ARC") else {}


@pytest.mark.parametrize("name", [cls.__name__ for cls in fake.AGGREGATORS])
def test_every_documented_aggregator_moves_by_what_it_returns(name: str, fake_byzfl: None) -> None:
    theta, clients, _ = cohort(Median())
    updates = np.stack([client - theta for client in clients])
    rule = ByzflRule(name, options_of(name))
    rule.check_start(10, None)
    with global_streams(0, "byzfl"):
        new = one_step(rule)[0]
    with global_streams(0, "byzfl"):
        expected = getattr(fake, name)(**options_of(name))(updates)
    assert new.dtype == np.float32
    np.testing.assert_allclose(new, theta + expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", [cls.__name__ for cls in fake.PRE_AGGREGATORS])
def test_every_documented_pre_aggregator_comes_first(name: str, fake_byzfl: None) -> None:
    theta, clients, _ = cohort(Median())
    updates = np.stack([client - theta for client in clients])
    rule = ByzflRule("Median", {}, name, options_of(name))
    with global_streams(0, "byzfl"):
        new = one_step(rule)[0]
    with global_streams(0, "byzfl"):
        expected = np.median(getattr(fake, name)(**options_of(name))(updates), 0)
    np.testing.assert_allclose(new, theta + expected, rtol=0, atol=1e-6)
    assert rule.order_dependent == (name == "Bucketing")


def test_what_an_instance_keeps_between_calls_travels_in_the_state(fake_byzfl: None) -> None:
    """CenteredClipping goes on from its last output; the adapter makes a new one every round."""
    theta, clients, weights = cohort(Median())
    rule, twin = ByzflRule("CenteredClipping", {"tau": 0.5}), fake.CenteredClipping(tau=0.5)
    state = rule.init(theta)
    assert state == {}
    for _ in range(3):
        expected = theta + twin(np.stack([client - theta for client in clients]))
        theta, state = rule.step(state, theta, clients, weights)
        np.testing.assert_allclose(theta, expected, rtol=0, atol=1e-6)
    assert set(state) == {"rule.m"}
    assert (rule.results_version, ByzflRule().results_version) == (2, 1)
    names = [
        identity({"task": Task(), "federation": Federation(one)}).versions
        for one in (rule, ByzflRule())
    ]
    assert names == [{"strategies.rules.byzfl_rule:ByzflRule": 2}, {}]
    assert ByzflRule("Median", {}).step({}, theta, clients, weights)[1] == {}


@pytest.mark.parametrize("name", TOLERANT)
def test_a_cohort_that_cannot_hold_f_is_refused_before_a_run(name: str, fake_byzfl: None) -> None:
    with pytest.raises(FedgroupError, match=f"ByzFL {name} failed on 4 clients: Cannot tolerate"):
        ByzflRule(name, {"f": 2}).check_start(4, None)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Columns", r"ByzFL Columns returned \(10, 16\) float32, expected \(16,\) float32"),
        ("Rounded", r"ByzFL Rounded returned \(16,\) int64, expected \(16,\) float32"),
    ],
)
def test_a_result_that_is_no_update_is_refused(name: str, words: str, fake_byzfl: None) -> None:
    with pytest.raises(FedgroupError, match=words):
        ByzflRule(name, {}).check_start(10, None)


@pytest.mark.parametrize("name", ["MDA", "SMEA"])
def test_an_aggregator_that_would_never_end_is_refused(name: str, fake_byzfl: None) -> None:
    with pytest.raises(FedgroupError, match="tries all 17,310,309,456,440 ways to leave 10 of 100"):
        ByzflRule(name, {"f": 10}).check_start(100, None)


def test_a_rule_that_trusts_a_position_depends_on_the_order(fake_byzfl: None) -> None:
    assert ByzflRule("MoNNA", {"f": 2}).order_dependent
    assert not ByzflRule("Krum", {"f": 2}).order_dependent


def test_an_aggregator_that_tolerates_nobody_is_said_to_be_the_average() -> None:
    assert ByzflRule("Average", {}).no_effect(10) == "FedAvg (Average)"
    assert ByzflRule("TrMean", {}).no_effect(10) == "FedAvg (f 0)"
    assert ByzflRule("TrMean", {"f": 1}).no_effect(10) == ""
    assert ByzflRule("Average", {}, "Clipping").no_effect(10) == ""


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
