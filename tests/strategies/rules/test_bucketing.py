"""Bucketing: buckets, their number, and the inner rule's state."""

import itertools

import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from strategies.rules.bucketing import Bucketing
from strategies.rules.fedavg import FedAvg
from strategies.rules.flower_rule import FlowerRule
from strategies.rules.fltrust import FLTrust
from strategies.rules.median import Median
from strategies.rules.sparsefed import SparseFed
from strategies.rules.trimmed_mean import TrimmedMean
from tests.strategies.rules.vectors import ZERO, step, vectors


def test_bucketing_means_and_rounds() -> None:
    rule = Bucketing(Median(), s=2, seed=3)
    clients = [np.full(2, float(i), np.float32) for i in range(10)]
    state = rule.init(ZERO)
    buckets = rule.buckets(state, 10)
    assert sorted(itertools.chain(*(b.tolist() for b in buckets))) == list(range(10))
    new, after = rule.step(state, ZERO, clients, np.ones(10))
    assert new[0] == np.median([np.mean(b) for b in buckets])
    assert int(after["round"]) == 1
    assert [b.tolist() for b in rule.buckets(after, 10)] != [b.tolist() for b in buckets]


def test_bucketing_needs_enough_buckets_for_its_rule() -> None:
    rule = Bucketing(TrimmedMean(2), s=2)
    assert rule.min_clients() == 9  # five buckets
    with pytest.raises(FedgroupError, match="needs at least 9"):
        step(rule, [ZERO] * 8)
    assert Bucketing(FedAvg(), s=3).min_clients() == 1


def test_bucketing_carries_the_state_of_its_rule() -> None:
    rule = Bucketing(SparseFed(k=1, rho=0.9), s=2)
    state = rule.init(ZERO)
    assert set(state) == {"round", "rule.momentum", "rule.error"}
    _, after = rule.step(state, ZERO, vectors([1, 0], [1, 0.5], [1, 0.5]), np.ones(3))
    assert np.abs(after["rule.error"]).sum() > 0


def test_a_rule_that_needs_a_root_vector_is_refused_inside() -> None:
    with pytest.raises(FedgroupError, match=r"bucketing: FLTrust needs the server's root vector"):
        Bucketing(FLTrust())


def test_the_inner_rule_starts_with_buckets_not_clients() -> None:
    """Ten clients in buckets of three are four: fewer than MultiKrum is to select."""
    options = {"num_malicious_nodes": 1, "num_nodes_to_select": 4}
    inner = FlowerRule("flwr.serverapp.strategy:MultiKrum", options)
    inner.check_start(10, None)
    with pytest.raises(FedgroupError, match="num_nodes_to_select is all 4 clients"):
        Bucketing(inner, s=3).check_start(10, None)
