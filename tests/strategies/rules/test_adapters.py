"""Outsiders' rules: any Flower strategy, any ByzFL aggregator."""

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, MetricRecord
from flwr.serverapp.strategy import FedAvg as FlowerFedAvg

from experiments.experiment import Experiment
from experiments.run import run
from fedgroup.errors import FedgroupError
from fedgroup.run_directory import read_lines
from strategies.checks import check_aggregator, cohort
from strategies.rules.byzfl_rule import ByzflRule
from strategies.rules.fedavg import FedAvg
from strategies.rules.flower_rule import FlowerRule
from strategies.rules.median import Median
from tests.toy import experiment

FLOWER = "flwr.serverapp.strategy:"


class Counting(FlowerFedAvg):
    """A user's strategy with state of its own: the mean, plus the number of rounds seen."""

    seen = 0

    def aggregate_train(
        self, server_round: int, replies: Any
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        self.seen += 1
        arrays, metrics = super().aggregate_train(server_round, replies)
        assert arrays is not None
        from flwr.app import Array

        return ArrayRecord(
            {"theta": Array(arrays["theta"].numpy() + np.float32(self.seen))}
        ), metrics


def step(rule: Any, number: int = 0, state: Any = None) -> Any:
    theta, clients, weights = cohort(Median(), number)
    return rule.step(rule.init(theta) if state is None else state, theta, clients, weights)


def test_flowers_median_is_ours_bit_for_bit() -> None:
    theta, clients, weights = cohort(Median())
    ours = Median().step({}, theta, clients, weights)[0]
    assert np.array_equal(step(FlowerRule(FLOWER + "FedMedian"))[0], ours)


def test_flowers_average_is_ours_weighted() -> None:
    theta, clients, weights = cohort(Median())
    ours = FedAvg(weighted=True).step({}, theta, clients, weights)[0]
    assert np.allclose(step(FlowerRule(FLOWER + "FedAvg"))[0], ours, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("FedTrimmedAvg", (("beta", 0.2),)),
        ("Krum", (("num_malicious_nodes", 2),)),
        ("MultiKrum", (("num_malicious_nodes", 2), ("num_nodes_to_select", 5))),
        ("Bulyan", (("num_malicious_nodes", 1),)),
        ("FedAvgM", (("server_momentum", 0.9),)),
    ],
)
def test_flowers_other_strategies_keep_the_contract(name: str, options: Any) -> None:
    faults = {
        check: fault
        for check, _, fault in check_aggregator(FlowerRule(FLOWER + name, options))
        if fault
    }
    assert not faults


def test_the_state_of_a_users_strategy_travels() -> None:
    rule = FlowerRule("tests.strategies.rules.test_adapters:Counting")
    plain = step(FlowerRule(FLOWER + "FedAvg"))[0]
    first, state = step(rule)
    second, after = step(rule, state=state)
    assert np.allclose(first, plain + 1, atol=1e-5)
    assert np.allclose(second, plain + 2, atol=1e-5)
    again, _ = step(rule, state=state)  # the old state was not touched
    assert np.array_equal(again, second)
    assert int(after["round"]) == 2


def test_a_flower_strategy_runs_in_a_federation(tmp_path: Path) -> None:
    spec = {"use": "flower", "strategy": FLOWER + "FedMedian"}
    folder = run(Experiment.of(experiment(federation__aggregator=spec)), tmp_path)
    twin = run(
        Experiment.of(experiment(federation__aggregator="median", federation__buffers="mean")),
        tmp_path,
    )
    assert [r["val"] for r in read_lines(folder, "rounds")] == [
        r["val"] for r in read_lines(twin, "rounds")
    ]
    with np.load(folder / "checkpoint.npz") as one, np.load(twin / "checkpoint.npz") as two:
        assert np.array_equal(one["theta"], two["theta"])


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (lambda: FlowerRule("flwr.serverapp.strategy:FedMedan"), "cannot load the Flower strategy"),
        (lambda: FlowerRule("no.such.module:X"), "cannot load the Flower strategy"),
        (lambda: FlowerRule("FedMedian"), "give my_pkg.mod:Class"),
        (lambda: FlowerRule("pathlib:Path"), "is not a Flower strategy"),
        (lambda: FlowerRule(FLOWER + "FedMedian", (("nonsense", 1),)), "refuses its options"),
    ],
)
def test_bad_flower_strategies_are_one_clear_line(rule: Any, words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        step(rule())


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


def test_byzfl_adapter_acts_on_updates(fake_byzfl: None) -> None:
    theta, clients, _ = cohort(Median())
    updates = np.stack([client - theta for client in clients])
    expected = np.sort(updates, 0)[2:-2].mean(0)
    assert np.allclose(step(ByzflRule())[0], theta + expected, atol=1e-6)
    assert np.allclose(step(ByzflRule(pre="Double"))[0], theta + 2 * expected, atol=1e-6)
    with pytest.raises(
        FedgroupError, match="no ByzFL aggregator called 'TrMan'; did you mean 'TrMean'"
    ):
        step(ByzflRule("TrMan"))
    with pytest.raises(FedgroupError, match="refuses its options"):
        step(ByzflRule(options=(("g", 1),)))


def test_byzfl_missing() -> None:
    try:
        import byzfl  # noqa: F401
    except ImportError:
        with pytest.raises(FedgroupError, match=r"pip install 'fedgroup\[byzfl\]'"):
            step(ByzflRule())


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
