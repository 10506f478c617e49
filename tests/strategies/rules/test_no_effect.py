"""Settings with which a rule is another, plainer one are said; what is said is true."""

from typing import Any

import numpy as np
import pytest

from strategies.aggregator import no_effect
from strategies.rules.bucketing import Bucketing
from strategies.rules.centred_clipping import CentredClipping
from strategies.rules.fedavg import FedAvg
from strategies.rules.geometric_median import GeometricMedian
from strategies.rules.krum import Krum, MultiKrum
from strategies.rules.median import Median
from strategies.rules.nnm import NNM
from strategies.rules.norm_clipping import NormClipping
from strategies.rules.server_optimisers import FedAdam, FedAvgM
from strategies.rules.sparsefed import SparseFed
from strategies.rules.trimmed_mean import TrimmedMean
from tests.strategies.rules.vectors import everyone
from tests.toy import MeanOfTwo

PLAIN: list[tuple[Any, int, str]] = [
    (TrimmedMean(0), 10, "FedAvg (trim 0)"),
    (Median(), 2, "FedAvg (a cohort of 2)"),
    (Median(), 1, "FedAvg (a cohort of 1)"),
    (GeometricMedian(), 2, "FedAvg (a cohort of 2)"),
    (MultiKrum(f=0), 10, "FedAvg (all 10 clients are averaged)"),
    (MultiKrum(f=2, m=10), 10, "FedAvg (all 10 clients are averaged)"),
    (FedAvgM(beta=0.0), 10, "FedAvg (beta 0, lr 1)"),
    (SparseFed(k=1.0), 10, "FedAvg (k 1.0, rho 0, no clip, server_lr 1)"),
    (NNM(Median(), f=0), 10, "the mean of all clients (f 0)"),
    (Bucketing(Median(), s=10), 10, "the mean of all clients (one bucket of 10)"),
    (Bucketing(Median(), s=5), 10, "FedAvg (a cohort of 2)"),
    (Bucketing(TrimmedMean(0), s=2), 10, "FedAvg (trim 0)"),
    (NormClipping(), 1, "FedAvg (a cohort of 1)"),
    (CentredClipping(carry=False), 1, "FedAvg (a cohort of 1)"),
]


@pytest.mark.parametrize(("rule", "count", "text"), PLAIN, ids=lambda value: type(value).__name__)
def test_what_is_said_to_be_the_mean_is_the_mean(rule: Any, count: int, text: str) -> None:
    assert no_effect(rule, count) == text
    theta = np.random.default_rng(0).normal(size=50).astype(np.float32)
    clients = [theta + np.float32(0.1 * (i + 1)) * np.sin(theta * i + 1) for i in range(count)]
    new = rule.step(rule.init(theta), theta, clients, np.ones(count))[0]
    np.testing.assert_allclose(new, np.mean(clients, axis=0), rtol=0, atol=2e-5)


def test_buckets_of_one_are_the_rule_alone() -> None:
    rule = Bucketing(Median(), s=1)
    assert no_effect(rule, 10) == "its rule alone, Median (buckets of one client)"
    theta = np.zeros(5, np.float32)
    clients = [np.full(5, float(i**2), np.float32) for i in range(10)]
    new = rule.step(rule.init(theta), theta, clients, np.ones(10))[0]
    assert np.array_equal(new, Median().step({}, theta, clients, np.ones(10))[0])


@pytest.mark.parametrize("preset", ["no_mask", "no_feedback"])
def test_masking_clears_nothing_where_there_is_no_momentum(preset: str) -> None:
    rule = SparseFed(k=2, preset=preset)
    assert no_effect(rule, 10).startswith("the same with and without momentum masking")
    assert no_effect(SparseFed(k=2, preset=preset, rho=0.9), 10) == ""
    twin = SparseFed(k=2, preset=preset, momentum_masking=not rule.masking)
    theta, states = np.zeros(6, np.float32), [rule.init(np.zeros(6, np.float32)) for _ in range(2)]
    thetas = [theta, theta]
    for number in range(3):
        clients = [np.arange(6, dtype=np.float32) * (number + 1) + i for i in range(3)]
        for i, one in enumerate((rule, twin)):
            thetas[i], states[i] = one.step(states[i], thetas[i], clients, np.ones(3))
        assert np.array_equal(thetas[0], thetas[1])


def test_the_defaults_and_rules_that_say_nothing_are_themselves() -> None:
    rules = [*everyone(), MeanOfTwo(), FedAvg(), FedAdam(), Krum(0), MultiKrum(1)]
    assert [no_effect(rule, 10) for rule in rules] == [""] * len(rules)
