"""What a strategy is shown, and what it may not ask for."""

import pickle
from typing import Any

import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from strategies.checks.toy_updates import cohort
from strategies.rules.bucketing import Bucketing
from strategies.rules.flower_exchange import Client, reply_of
from strategies.rules.flower_rule import FlowerRule
from strategies.rules.median import Median
from strategies.rules.nnm import NNM
from strategies.server.messages import LentIdentity
from tests.strategies.rules.flower_strategies import HERE

FLOWER = "flwr.serverapp.strategy:"
THETA, CLIENTS, WEIGHTS = cohort(Median())


def step(rule: Any, state: Any = None, **inputs: Any) -> Any:
    return rule.step({**(state or rule.init(THETA)), **inputs}, THETA, CLIENTS, WEIGHTS)


def test_a_strategy_that_waits_for_more_nodes_never_hangs() -> None:
    with pytest.raises(FedgroupError, match="waits for more nodes than the 10 clients"):
        step(FlowerRule(HERE + "Waits"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("OwnRate", r"tells the clients lr = 0.1, which they do not hear: .*task.train"),
        ("Samples", "asks 5 of the 10 clients of the round to train, but all of them have"),
        ("Shrinks", "sends the clients other arrays than the global parameters"),
    ],
)
def test_a_strategy_whose_wishes_are_not_heard_is_refused(name: str, words: str) -> None:
    rule = FlowerRule(HERE + name)
    with pytest.raises(FedgroupError, match=words):
        rule.check_start(10, None)
    with pytest.raises(FedgroupError, match=words):
        step(rule)


def heard(state: Any) -> Any:
    return pickle.loads(state["strategy"].tobytes())


def test_a_strategy_that_remembers_clients_knows_them_by_their_ids() -> None:
    """Positions change with the cohort: client 7 stays node 9."""
    rule = FlowerRule(HERE + "Remembers")
    assert rule.needs == ("ids", "losses")
    ids, losses = np.arange(10) + 3, np.linspace(1, 2, 10)
    _, state = step(rule, ids=ids, losses=losses)
    _, state = step(rule, state, ids=ids + 1, losses=losses)
    strategy = heard(state)
    assert strategy.heard == {5: 1, **dict.fromkeys(range(6, 15), 2), 15: 1}
    assert strategy.metrics[0] == {
        "num-examples": int(WEIGHTS[0]), "partition-id": 4, "loss": 1.0, "train_loss": 1.0,
    }  # fmt: skip
    assert set(state) == {"round", "strategy"}  # what it was told is no state


def test_losses_pass_through_the_mixtures() -> None:
    losses = np.linspace(1, 2, 10)
    inner = FlowerRule(HERE + "Remembers")
    mixed = NNM(inner, f=3)
    assert mixed.needs == ("ids", "losses")
    _, state = step(mixed, ids=np.arange(10) + 3, losses=losses)
    near = mixed.neighbours(THETA, CLIENTS)
    seen = [metrics["train_loss"] for metrics in heard(state).metrics]
    assert np.allclose(seen, losses[near].mean(axis=1))
    buckets = Bucketing(inner, s=3)
    assert buckets.needs == ("losses",)
    first = buckets.init(THETA)
    _, state = step(buckets, first, losses=losses)
    strategy = pickle.loads(state["rule.strategy"].tobytes())
    members = buckets.buckets(first, 10)
    seen = [metrics["train_loss"] for metrics in strategy.metrics]
    assert np.allclose(seen, [losses[bucket].mean() for bucket in members])
    assert all("partition-id" not in metrics for metrics in strategy.metrics)


def test_a_weight_that_is_no_whole_number_is_not_cut() -> None:
    with LentIdentity():
        reply = reply_of(Client(4, np.zeros(2, np.float32), 0.25, float("nan"), False), False)
    assert dict(reply.content.metric_records["metrics"]) == {"num-examples": 0.25}
    assert reply.metadata.src_node_id == 6
