"""The Flower Strategy that hosts any aggregation rule: one round, from sending to the new model.

Flower's own sampling and float sums are not reproducible: node ids are random and replies come in
completion order. Here cohorts are drawn by partition id from a seeded schedule, replies are sorted
by partition id, and every reply is checked before the rule sees it.

A round: send (`configure_train`), admit the replies (admission.py), let malicious clients forge
(byzantine_clients.py), aggregate parameters by the rule and BatchNorm statistics by their policy
(batchnorm.py), and log who was heard (influence.py, round_log.py).
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from numpy.typing import NDArray

from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError
from fedgroup.layout import Layout, Weights
from fedgroup.update import ARRAYS, CONFIG, Update
from strategies.aggregator import State, Vector
from strategies.federation import Federation
from strategies.server.admission import Admission, refusal
from strategies.server.batchnorm import aggregate_buffers, aggregate_counters
from strategies.server.divergence import refuse_diverged
from strategies.server.forged_updates import Forger
from strategies.server.messages import to_record
from strategies.server.round_inputs import told_by_clients
from strategies.server.round_log import RoundLog
from strategies.server.rule_calls import RuleCalls

Input = Callable[[int, Weights], Vector]
"""Makes what a rule needs of the server (see `strategies.aggregator.INPUTS`), from the round and
the global weights before it."""


@dataclass(frozen=True)
class Plan:
    """What stays the same in every round of a run."""

    federation: Federation
    layout: Layout
    """Layout of the model."""
    cohorts: Sequence[Ints]
    """Partition ids of each round's cohort."""
    nodes: Mapping[int, int]
    """Partition id -> the node that holds it."""
    task: str
    """The task as JSON, which travels in every message."""
    seed: int = 0
    """Seed of the task."""
    model: str = ""
    """`model_hash` of the model, which clients must have too; by default the layout's."""
    content: str = ""
    """`content_digest` of the task, which clients must have too; empty where settings say all."""
    sizes: Sequence[int] = ()
    """Samples of each client's shard, which a reply must name; empty where they are not known."""
    minority: tuple[int, ...] = ()
    """The rare groups, for the records."""
    lanes: int | None = None
    """Clients that train at the same time, for the timings; None: all of a cohort."""


@dataclass(frozen=True)
class Start:
    """Where the rounds begin: fresh, or at a checkpoint."""

    weights: Weights
    """The global model."""
    state: State
    """The rule's state."""
    rounds: int = 0
    """Rounds already done; Flower counts from 1 in every start()."""


class AggregatorStrategy(Strategy):
    """A Flower strategy around an aggregation rule with explicit state."""

    def __init__(
        self,
        plan: Plan,
        start: Start,
        forger: Forger | None = None,
        inputs: Mapping[str, Input] | None = None,
    ) -> None:
        """Set up the rounds.

        Args:
            plan: What stays the same in every round.
            start: The model, the rule's state and the rounds already done.
            forger: The malicious clients that forge their updates, if any.
            inputs: What the rule needs of the server, by name.
        """
        self.plan = plan
        self.rule = RuleCalls(plan.federation.aggregator, plan.seed)
        self.weights = start.weights
        self.state = start.state
        self.first = start.rounds
        self.forger = forger
        self.inputs = dict(inputs or {})
        self.admission = Admission(plan.layout, plan.nodes, plan.sizes, plan.federation.max_norm)
        self.log = RoundLog([])
        self._sent_at = 0.0

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """Address the round's cohort, by partition id."""
        number = self.first + server_round
        cohort = [int(client) for client in self.plan.cohorts[number - 1]]
        self.log = RoundLog(cohort)
        self._sent_at = time.perf_counter()
        model = self.plan.model or self.plan.layout.hash()
        settings = ConfigRecord(
            {
                "task": self.plan.task,
                "round": number,
                "layout": model,
                "content": self.plan.content,
            }
        )
        content = RecordDict({ARRAYS: arrays, CONFIG: settings})
        return [
            Message(
                content=content,
                message_type=MessageType.TRAIN,
                dst_node_id=self.plan.nodes[client],
                group_id=str(number),
            )
            for client in cohort
        ]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Admit the replies, aggregate, or fail the round and keep the model."""
        received = list(replies)
        start = time.perf_counter()
        before = self.weights
        updates, self.log.clients = self.admission.admit_all(received, self.log.cohort, before)
        self.log.time(updates, start - self._sent_at, self.plan.lanes)
        number = self.first + server_round
        updates = self._forged(updates, number)
        self._refuse_failures(number)
        needed = self.plan.federation.needed()
        if len(updates) < needed:
            self.log.failed = (
                f"{len(updates)} valid replies of {len(self.log.cohort)}, {needed} needed"
            )
            self._refuse_hopeless(number)
            self.log.seconds["aggregate"] = time.perf_counter() - start
            return None, None
        made = {name: make(number, before) for name, make in self.inputs.items()}
        state = {**self.state, **made, **told_by_clients(self.rule.rule, updates)}
        self.weights, self.state = self._aggregate(state, updates, number)
        self.log.describe(updates, before.theta, self.weights.theta, self.state)
        refuse_diverged(self.log.diagnostics, number)
        self._weigh(state, before, updates)
        record = to_record(self.weights)
        self.log.seconds["aggregate"] = time.perf_counter() - start
        return record, MetricRecord({"admitted": len(updates)})

    def _forged(self, updates: list[Update], number: int) -> list[Update]:
        """Return the updates, those of malicious clients forged and, where refused, left out."""
        if self.forger is None:
            return updates
        try:
            forged = self.forger.forge(number, self.weights, updates)
        except FedgroupError as error:
            raise FedgroupError(f"round {number}: {error}") from error
        rows = self.log.rows
        admitted = []
        for update in forged:
            if update.client in self.forger.malicious:
                rows[update.client]["malicious"] = True
                reason = refusal(update, self.admission.max_norm, self.weights.theta)
                if reason is not None:
                    rows[update.client].update(status="rejected", reason=reason)
                    continue
            admitted.append(update)
        return admitted

    def _refuse_failures(self, number: int) -> None:
        if self.plan.federation.on_failure == "proceed":
            return
        for row in self.log.clients:
            if row["status"] in ("failed", "missing"):
                raise FedgroupError(
                    f"round {number}: client {row['client']}: {row['reason']}; everything before "
                    f"this round is kept, run again to go on (federation.on_failure=proceed does "
                    f"without it)"
                )

    def _refuse_hopeless(self, number: int) -> None:
        rows = self.log.clients
        if rows and all(row["status"] == "failed" for row in rows):
            raise FedgroupError(
                f"round {number}: all {len(rows)} clients failed; the first says: "
                f"{rows[0]['reason']}"
            )

    def _aggregate(self, state: State, updates: list[Update], number: int) -> tuple[Weights, State]:
        samples, own = _samples(updates), self.weights
        vectors = [update.weights.theta for update in updates]
        theta, state = self.rule.step(number, state, own.theta, vectors, samples)
        policy = self.plan.federation.buffer_policy()
        buffers = aggregate_buffers(policy, self.rule, number, own.buffers, updates)
        return Weights(theta, buffers, aggregate_counters(updates)), state

    def _weigh(self, state: State, before: Weights, updates: list[Update]) -> None:
        """Log every client's influence, where the rule can say it."""
        vectors = [update.weights.theta for update in updates]
        shares = self.rule.influence(
            state, before.theta, vectors, _samples(updates), self.weights.theta
        )
        if shares is not None:
            malicious = frozenset() if self.forger is None else self.forger.malicious
            self.log.weigh(updates, shares, self.plan.minority, malicious)

    def configure_evaluate(self, *_: Any) -> Iterable[Message]:
        """Ask no client: groups are measured on the server's val and test splits."""
        return []

    def aggregate_evaluate(self, *_: Any) -> MetricRecord | None:
        """Return None: there is nothing to aggregate."""
        return None

    def summary(self) -> None:
        """Say nothing: Flower logs the start itself."""


def _samples(updates: list[Update]) -> NDArray[np.float64]:
    return np.array([update.examples for update in updates], np.float64)
