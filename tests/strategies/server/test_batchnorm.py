"""BatchNorm statistics: whose they are, and that no rule spoils them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message

from fedgroup.errors import FedgroupError
from fedgroup.layout import Weights, read
from fedgroup.update import ARRAYS, Update
from strategies.rules.median import Median
from strategies.rules.trimmed_mean import TrimmedMean
from strategies.server.batchnorm import aggregate_buffers
from strategies.server.rule_calls import RuleCalls
from tests.strategies.server.runs import (
    arrays,
    federate_with,
    make,
)


@pytest.mark.parametrize("policy", ["mean", "rule", "keep"])
def test_buffer_policies_by_hand(policy: str, tmp_path: Path) -> None:
    exp = make(federation__aggregator="median", federation__buffers=policy, federation__rounds=1)
    sent: list[dict[str, Any]] = []

    def collect(number: int, client: int, reply: Message) -> Message:
        sent.append({k: v.numpy().copy() for k, v in reply.content.array_records[ARRAYS].items()})
        return reply

    folder = federate_with(collect, exp, tmp_path)
    buffers = np.stack([s["buffers"] for s in sent])
    start = read(exp.task.model.build(2, 0)).buffers
    expected = {"mean": buffers.mean(0), "rule": np.median(buffers, 0), "keep": start}[policy]
    assert np.allclose(arrays(folder)["buffers"], expected, rtol=1e-6)
    assert arrays(folder)["counters"].tolist() == [max(int(s["counters"][0]) for s in sent)]
    assert arrays(folder)["counters"].dtype == np.int64
    assert np.array_equal(
        arrays(folder)["theta"], np.median(np.stack([s["theta"] for s in sent]), 0)
    )


def test_rule_buffers_need_a_coordinatewise_rule() -> None:
    with pytest.raises(FedgroupError, match="buffers: rule does not work with SparseFed"):
        make(federation__aggregator={"use": "sparsefed", "k": 0.1}, federation__buffers="rule")


@pytest.mark.parametrize("rule", [{"use": "fedavgm"}, {"use": "fedadam"}])
def test_server_optimisers_leave_batchnorm_statistics_alone(rule: Any, tmp_path: Path) -> None:
    """Under server momentum a variance would turn negative; here it is the clients' mean."""
    exp = make(federation__aggregator=rule, federation__rounds=6)
    last: list[Any] = []

    def collect(number: int, client: int, reply: Message) -> Message:
        if number == 6:
            last.append(reply.content.array_records[ARRAYS]["buffers"].numpy().copy())
        return reply

    folder = federate_with(collect, exp, tmp_path)
    assert np.allclose(arrays(folder)["buffers"], np.mean(last, 0), rtol=1e-5)
    assert (arrays(folder)["buffers"][4:] > 0).all()


def update(client: int, buffers: list[float]) -> Update:
    nothing = np.empty(0, np.float32)
    weights = Weights(nothing, np.array(buffers, np.float32), nothing.astype(np.int64))
    return Update(client, 1, 0.0, (), weights)


INF = float("inf")


@pytest.mark.parametrize("policy", ["mean", "rule"])
@pytest.mark.parametrize("rule", [Median(), TrimmedMean(trim=1)], ids=["median", "trimmed"])
def test_masks_keep_their_infinities_under_every_policy(policy: Any, rule: Any) -> None:
    own = np.array([-INF, 1, INF, np.nan], np.float32)
    updates = [update(n, [-INF, n, INF, np.nan]) for n in range(3)]
    new = aggregate_buffers(policy, RuleCalls(rule, 0), 1, own, updates)
    assert np.array_equal(new, np.array([-INF, 1, INF, np.nan], np.float32), equal_nan=True)
    assert new.dtype == np.float32


def test_a_start_value_of_infinity_gives_way_once_all_clients_have_one() -> None:
    """As observers of a range begin: the smallest value seen is infinity."""
    own = np.array([INF], np.float32)
    some = [update(0, [2.0]), update(1, [INF])]
    every = [update(0, [2.0]), update(1, [4.0])]
    calls = RuleCalls(Median(), 0)
    assert aggregate_buffers("mean", calls, 1, own, some).tolist() == [INF]
    assert aggregate_buffers("mean", calls, 1, own, every).tolist() == [3.0]


def test_statistics_that_overflow_are_named() -> None:
    own = np.zeros(1, np.float32)
    huge = [update(n, [3.4e38]) for n in range(2)]
    calls = RuleCalls(Median(), 0)
    with pytest.raises(FedgroupError, match="mean of the clients' buffers overflows float32"):
        aggregate_buffers("mean", calls, 1, own, huge)
