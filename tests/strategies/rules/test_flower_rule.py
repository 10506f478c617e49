"""Any Flower strategy as a rule."""

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
from strategies.checks import check_aggregator
from strategies.rules.fedavg import FedAvg
from strategies.rules.flower_rule import FlowerRule
from strategies.rules.median import Median
from strategies.toy_updates import cohort
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


def one_step(rule: Any, number: int = 0, state: Any = None) -> Any:
    theta, clients, weights = cohort(Median(), number)
    return rule.step(rule.init(theta) if state is None else state, theta, clients, weights)


def test_flowers_median_is_ours_bit_for_bit() -> None:
    theta, clients, weights = cohort(Median())
    ours = Median().step({}, theta, clients, weights)[0]
    assert np.array_equal(one_step(FlowerRule(FLOWER + "FedMedian"))[0], ours)


def test_flowers_average_is_ours_weighted() -> None:
    theta, clients, weights = cohort(Median())
    ours = FedAvg(weighted=True).step({}, theta, clients, weights)[0]
    assert np.allclose(one_step(FlowerRule(FLOWER + "FedAvg"))[0], ours, atol=1e-6)


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
    rule = FlowerRule("tests.strategies.rules.test_flower_rule:Counting")
    plain = one_step(FlowerRule(FLOWER + "FedAvg"))[0]
    first, state = one_step(rule)
    second, after = one_step(rule, state=state)
    assert np.allclose(first, plain + 1, atol=1e-5)
    assert np.allclose(second, plain + 2, atol=1e-5)
    again, _ = one_step(rule, state=state)  # the old state was not touched
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
        one_step(rule())
