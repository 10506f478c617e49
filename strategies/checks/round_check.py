"""The check of a rule inside a round of ours: a client that sends NaN is refused by name."""

from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from torch import nn

from fedgroup.layout import Layout, Weights
from fedgroup.update import ARRAYS, METRICS
from strategies.aggregator import Aggregator, Vector
from strategies.checks.toy_updates import cohort, first_state
from strategies.federation import Federation
from strategies.server.flower_strategy import AggregatorStrategy, Plan, Start
from strategies.server.messages import LentIdentity, to_record, with_id


def non_finite_refused(rule: Aggregator) -> None:
    """Require that our server refuses a client that sends NaN by name, and goes on."""
    theta, clients, _ = cohort(rule)
    clients.append(clients[0].copy())  # one more than needed, so that the round still counts
    clients[3] = np.full_like(theta, np.nan)
    server = _server(rule, theta, len(clients))
    with LentIdentity():
        replies = []
        for number, message in enumerate(
            server.configure_train(1, to_record(server.weights), ConfigRecord(), _NONE)
        ):
            sent = Weights(clients[number], server.weights.buffers, server.weights.counters)
            metrics = MetricRecord(
                {"partition-id": number, "num-examples": 40, "loss": 1.0, "groups": [40]}
            )
            content = RecordDict({ARRAYS: to_record(sent), METRICS: metrics})
            replies.append(Message(content=content, reply_to=with_id(message, str(number + 1))))
        server.aggregate_train(1, replies)
    refused = [row for row in server.log.clients if row["status"] != "ok"]
    assert [row["client"] for row in refused] == [3], f"refused {refused}, expected client 3 alone"
    assert "NaN" in refused[0]["reason"], f"the reason says nothing of NaN: {refused[0]['reason']}"
    assert server.log.failed is None, f"the round failed: {server.log.failed}"
    assert np.isfinite(server.weights.theta).all(), "the model is not finite"


_NONE: Any = None


def _server(rule: Aggregator, theta: Vector, count: int) -> AggregatorStrategy:
    """Return our Flower strategy around the rule, for a linear model of theta's size."""
    layout = Layout.of(nn.Linear(len(theta) - 1, 1))
    nothing = np.empty(0, np.float32)
    weights = Weights(theta, nothing, nothing.astype(np.int64))
    nodes = {client: client + 2 for client in range(count)}
    federation = Federation(aggregator=rule, fraction=1.0)
    plan = Plan(federation, layout, [np.arange(count)], nodes, task="{}")
    return AggregatorStrategy(plan, Start(weights, first_state(rule, theta)))
