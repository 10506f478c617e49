"""One Flower Strategy that hosts any aggregation rule.

Flower's own sampling and float sums are not reproducible: node ids are random and replies come in
completion order. Here cohorts are drawn by partition id from a seeded schedule, replies are sorted by
partition id, and every reply is checked before the rule sees it.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from numpy.typing import NDArray

from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError
from fedgroup.layout import Layout, Weights
from fedgroup.update import ARRAYS, CONFIG, METRICS, Update, admit, finite
from strategies.aggregator import State, Vector, influence_of
from strategies.federation import Federation
from strategies.records import from_record, to_record
from strategies.server.byzantine_clients import Forger, refused
from strategies.server.round_log import RoundLog


class Hosted(Strategy):
    """A Flower strategy around an aggregation rule with explicit state.

    Flower counts rounds from 1 in every start(); `first` is the number of rounds already done.
    """

    def __init__(
        self,
        federation: Federation,
        layout: Layout,
        cohorts: list[Ints],
        roster: Mapping[int, int],
        task: str,
        weights: Weights,
        state: State,
        first: int = 0,
        minority: tuple[int, ...] = (),
        root: Callable[[int, Weights], Vector] | None = None,
        lanes: int | None = None,
        forger: Forger | None = None,
        sizes: Sequence[int] = (),
    ) -> None:
        self.federation = federation
        self.layout = layout
        self.cohorts = cohorts
        self.roster = roster
        self.task = task
        self.weights = weights
        self.state = state
        self.first = first
        self.minority = minority
        self.root = root
        self.lanes = lanes
        self.forger = forger
        self.sizes = sizes
        """Samples dealt to each client, which a reply must name; empty where they are not known."""
        self.log = RoundLog([])
        self._sent_at = 0.0

    def configure_train(
        self,
        server_round: int,
        arrays: ArrayRecord,
        config: ConfigRecord,
        grid: Grid,
    ) -> Iterable[Message]:
        """Address the round's cohort, by partition id."""
        number = self.first + server_round
        cohort = [int(client) for client in self.cohorts[number - 1]]
        self.log = RoundLog(cohort)
        self._sent_at = time.perf_counter()
        settings = ConfigRecord({"task": self.task, "round": number, "layout": self.layout.hash()})
        content = RecordDict({ARRAYS: arrays, CONFIG: settings})
        return [
            Message(
                content=content,
                message_type=MessageType.TRAIN,
                dst_node_id=self.roster[client],
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
        updates = self._admitted(received)
        self.log.time(updates, start - self._sent_at, self.lanes)
        number = self.first + server_round
        updates = self._forged(updates, number)
        self._refuse_failures(number)
        needed = self.federation.needed()
        if len(updates) < needed:
            self.log.failed = (
                f"{len(updates)} valid replies of {len(self.log.cohort)}, {needed} needed"
            )
            self._refuse_hopeless(number)
            self.log.seconds["aggregate"] = time.perf_counter() - start
            return None, None
        before, state = self.weights, self.state
        if self.root is not None:
            state = {**state, "root": self.root(number, before)}
        self.weights, self.state = self._aggregate(state, updates, number)
        self.log.describe(updates, before.theta, self.weights.theta, self.state)
        self._weigh(state, before, updates)
        record = to_record(self.weights)
        self.log.seconds["aggregate"] = time.perf_counter() - start
        return record, MetricRecord({"admitted": len(updates)})

    def _admitted(self, replies: list[Message]) -> list[Update]:
        clients = {node: client for client, node in self.roster.items()}
        updates = []
        seen: dict[int, dict[str, Any]] = {}
        for reply in replies:
            client = clients.get(reply.metadata.src_node_id, -1)
            if client not in self.log.cohort or client in seen:
                continue  # not asked this round, or a second answer
            if reply.has_error():
                seen[client] = {
                    "client": client,
                    "status": "failed",
                    "reason": reply.error.reason or "unknown",
                }
                continue
            try:
                update = self._read(reply, client)
            except FedgroupError as error:
                seen[client] = {"client": client, "status": "rejected", "reason": str(error)}
                logging.getLogger("flwr").warning("partition %d: refused: %s", client, error)
                continue
            seen[client] = {"client": client, "status": "ok"}
            updates.append(update)
        for client in self.log.cohort:
            seen.setdefault(
                client, {"client": client, "status": "missing", "reason": "no reply in time"}
            )
        self.log.clients = [seen[client] for client in sorted(seen)]
        return sorted(updates, key=lambda update: update.client)

    def _read(self, reply: Message, client: int) -> Update:
        content = reply.content
        if ARRAYS not in content.array_records or METRICS not in content.metric_records:
            raise FedgroupError(
                f"the reply has records {sorted(content)}, expected '{ARRAYS}' and '{METRICS}'"
            )
        values = dict(content.metric_records[METRICS])
        if values.get("partition-id") != client:
            raise FedgroupError(
                f"the reply claims partition {values.get('partition-id')!r}, expected {client}"
            )
        try:
            arrays = from_record(content.array_records[ARRAYS])
        except (ValueError, TypeError, OSError) as error:
            raise FedgroupError(f"the reply's arrays cannot be read ({error})") from error
        update = admit(arrays, values, self.layout, self.federation.max_norm, self.weights.theta)
        if self.sizes and update.examples != self.sizes[client]:
            raise FedgroupError(
                f"num-examples is {update.examples}, but {self.sizes[client]} were dealt to this client"
            )
        return update

    def _forged(self, updates: list[Update], number: int) -> list[Update]:
        """Updates with those of the malicious clients replaced; a forgery the server refuses is left out."""
        if self.forger is None:
            return updates
        try:
            forged = self.forger.forge(number, self.weights, updates)
        except FedgroupError as error:
            raise FedgroupError(f"round {number}: {error}") from error
        rows = self.log.rows
        kept = []
        for update in forged:
            if update.client in self.forger.malicious:
                rows[update.client]["malicious"] = True
                reason = refused(update, self.federation.max_norm, self.weights.theta)
                if reason is not None:
                    rows[update.client].update(status="rejected", reason=reason)
                    continue
            kept.append(update)
        return kept

    def _refuse_failures(self, number: int) -> None:
        if self.federation.on_failure == "proceed":
            return
        for row in self.log.clients:
            if row["status"] in ("failed", "missing"):
                raise FedgroupError(
                    f"round {number}: client {row['client']}: {row['reason']}; everything before this round "
                    f"is kept, run again to go on (federation.on_failure=proceed does without it)"
                )

    def _refuse_hopeless(self, number: int) -> None:
        rows = self.log.clients
        if rows and all(row["status"] == "failed" for row in rows):
            raise FedgroupError(
                f"round {number}: all {len(rows)} clients failed; the first says: {rows[0]['reason']}"
            )

    def _aggregate(self, state: State, updates: list[Update], number: int) -> tuple[Weights, State]:
        rule = self.federation.rule()
        samples = _samples(updates)
        try:
            theta, state = rule.step(
                state, self.weights.theta, [u.weights.theta for u in updates], samples
            )
        except FedgroupError as error:
            raise FedgroupError(f"round {number}: {error}") from error
        counters = np.maximum.reduce([u.weights.counters for u in updates])
        weights = Weights(theta, self._buffers(updates, samples), counters)
        for name, array in weights.arrays().items():
            if array.dtype == np.float32 and array.size and not finite(array):
                raise FedgroupError(
                    f"round {number}: the aggregated {name} is not finite: the run has diverged; "
                    f"lower task.train.lr or the rule's momentum"
                )
        return weights, state

    def _buffers(self, updates: list[Update], samples: NDArray[np.float64]) -> NDArray[np.float32]:
        policy = self.federation.buffer_policy()
        own = self.weights.buffers
        if policy == "keep" or not own.size:
            return own
        clients = [update.weights.buffers for update in updates]
        if policy == "rule":
            rule = self.federation.rule()
            return rule.step(rule.init(own), own, clients, samples)[0]
        total = clients[0].copy()
        for vector in clients[1:]:
            total += vector
        return total / np.float32(len(clients))

    def _weigh(self, state: State, before: Weights, updates: list[Update]) -> None:
        """Log every client's influence, where the rule can say it."""
        vectors, rule = [update.weights.theta for update in updates], self.federation.rule()
        shares = influence_of(
            rule, state, before.theta, vectors, _samples(updates), self.weights.theta
        )
        if shares is not None:
            malicious = frozenset() if self.forger is None else self.forger.malicious
            self.log.weigh(updates, shares, self.minority, malicious)

    def configure_evaluate(self, *_: Any) -> Iterable[Message]:
        """No client-side evaluation: groups are measured on the server's val and test splits."""
        return []

    def aggregate_evaluate(self, *_: Any) -> MetricRecord | None:
        """Nothing to aggregate."""
        return None

    def summary(self) -> None:
        """Flower logs the start itself."""


def _samples(updates: list[Update]) -> NDArray[np.float64]:
    return np.array([update.examples for update in updates], np.float64)
