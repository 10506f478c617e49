"""Every strategy that Flower ships: what is refused before a run, and with which words."""

from typing import Any

import flwr.serverapp.strategy as shipped
import pytest

from fedgroup.errors import FedgroupError
from fedgroup.train import TrainConfig
from strategies.rules.flower_rule import FlowerRule
from tests.strategies.rules.flower_strategies import HERE

FLOWER = "flwr.serverapp.strategy:"
WORKS: dict[str, dict[str, Any]] = {
    "Bulyan": {"num_malicious_nodes": 1},
    "FedAdagrad": {},
    "FedAdam": {},
    "FedAvg": {},
    "FedAvgM": {"server_momentum": 0.9},
    "FedMedian": {},
    "FedProx": {"proximal_mu": 0.1},
    "FedTrimmedAvg": {"beta": 0.2},
    "FedYogi": {},
    "Krum": {"num_malicious_nodes": 2},
    "MultiKrum": {"num_malicious_nodes": 2, "num_nodes_to_select": 5},
    "QFedAvg": {"client_learning_rate": 0.01},
}
"""Strategies with settings that make them what their name says."""
REFUSED = {
    "DifferentialPrivacyClientSideAdaptiveClipping": "client mods, which clients here do not have",
    "DifferentialPrivacyClientSideFixedClipping": "client mods, which clients here do not have",
    "DifferentialPrivacyServerSideAdaptiveClipping": "wraps another strategy, which no setting",
    "DifferentialPrivacyServerSideFixedClipping": "wraps another strategy, which no setting",
    "FedXgbBagging": "trees of XGBoost",
    "FedXgbCyclic": "trees of XGBoost",
}
"""Strategies that have no place here, and why."""
TRAIN = TrainConfig(proximal_mu=0.1)


def rule(name: str, **options: Any) -> FlowerRule:
    return FlowerRule(name if ":" in name else FLOWER + name, options)


def test_every_strategy_of_the_pinned_flower_is_known() -> None:
    """A new one of Flower's must be tried and sorted before it is offered."""
    assert {*WORKS, *REFUSED, "Result", "Strategy"} == set(shipped.__all__)


@pytest.mark.parametrize("name", WORKS)
def test_what_works_starts(name: str) -> None:
    rule(name, **WORKS[name]).check_start(10, TRAIN)


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_place_here_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(FedgroupError, match=REFUSED[name]) as caught:
        rule(name).min_clients()
    assert str(caught.value).count(FLOWER + name) == 1
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("FedProx", {}, "proximal_mu is 0, which is FedAvg: .*task.train.proximal_mu"),
        ("FedAvgM", {}, "server_momentum is 0 and server_learning_rate 1, which is FedAvg"),
        ("FedTrimmedAvg", {"beta": 0.0}, "beta is 0, which is an average"),
        ("Bulyan", {}, "num_malicious_nodes is 0, which is an average"),
        ("MultiKrum", {"num_nodes_to_select": 10}, "all 10 clients of a round, which is FedAvg"),
        ("QFedAvg", {"client_learning_rate": 0.01, "q": 0.0}, "q is 0, which is an average"),
        ("FedAdam", {"eta": 0.0}, "eta is 0.0: it must be positive"),
        ("FedAvgM", {"server_learning_rate": 0.0}, "server_learning_rate is 0.0: it must be"),
        ("QFedAvg", {"client_learning_rate": 0.5}, "client_learning_rate is 0.5, .*lr 0.01"),
        (HERE + "Private", {"clients": 4}, "num_sampled_clients is 4, a round has 10 clients"),
        (HERE + "OwnLoop", {}, r"start\(\) of its own, which is never called"),
        (HERE + "Evaluates", {}, "aggregate_evaluate is never called"),
    ],
)
def test_what_would_be_another_rule_than_its_name_says(
    name: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(FedgroupError, match=words):
        rule(name, **options).check_start(10, TRAIN)


def test_evaluation_that_training_does_not_need_can_be_left_out() -> None:
    rule(HERE + "Evaluates", fraction_evaluate=0).check_start(10, TRAIN)
    rule(HERE + "Private").check_start(10, TRAIN)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("FedMedian", {"fraction_train": 0.5}, "fraction_train has no effect here .*fraction"),
        ("FedMedian", {"fraction_evaluate": 0.5}, "fraction_evaluate has no effect here"),
        ("FedMedian", {"min_evaluate_nodes": 3}, "min_evaluate_nodes has no effect here"),
        ("FedMedian", {"arrayrecord_key": "w"}, "arrayrecord_key has no effect here"),
        ("FedAdam", {"eta_l": 0.5}, "eta_l has no effect here .*task.train.lr"),
        ("FedAvg", {"weighted_by_key": "age"}, "weighted_by_key is 'age', which clients do not"),
        (
            "QFedAvg",
            {"client_learning_rate": 0.01, "train_loss_key": "my_loss"},
            "train_loss_key must be train_loss",
        ),
        ("FedMedian", {"min_train_nodes": 2.5}, "min_train_nodes must be a whole number, got 2.5"),
    ],
)
def test_options_without_effect_are_refused(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        rule(name, **options).min_clients()


@pytest.mark.parametrize(
    ("name", "options", "needed"),
    [
        ("FedMedian", {}, 1),
        ("FedMedian", {"min_train_nodes": 7}, 7),
        ("FedMedian", {"min_available_nodes": 9}, 9),
        (HERE + "Hardcoded", {}, 10),
        ("Krum", {"num_malicious_nodes": 2}, 5),
        ("MultiKrum", {"num_malicious_nodes": 1, "num_nodes_to_select": 8}, 8),
        ("Bulyan", {"num_malicious_nodes": 2}, 11),
        ("FedTrimmedAvg", {"beta": 0.2}, 5),
        ("FedTrimmedAvg", {"beta": 0.3}, 4),
        ("FedTrimmedAvg", {"beta": 0.1}, 10),
        (HERE + "Private", {"clients": 6}, 6),
    ],
)
def test_fewer_clients_than_a_strategy_waits_for_are_refused(
    name: str, options: dict[str, Any], needed: int
) -> None:
    assert rule(name, **options).min_clients() == needed


def test_the_proximal_term_is_the_clients() -> None:
    prox = rule("FedProx", proximal_mu=0.1)
    with pytest.raises(FedgroupError, match=r"train with 0.0: set task.train.proximal_mu=0.1"):
        prox.check_start(10, TrainConfig())
    prox.check_start(10, TrainConfig(proximal_mu=0.1))
