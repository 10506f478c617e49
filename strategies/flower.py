"""One Flower Strategy that hosts any aggregation rule.

Flower's own sampling and float sums are not reproducible: node ids are random and replies come in
completion order. Here cohorts are drawn by partition id from a seeded schedule, replies are sorted by
partition id, and every reply is checked before the rule sees it.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from numpy.typing import NDArray

from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError
from fedgroup.layout import Layout, Weights
from fedgroup.live import live
from fedgroup.update import ARRAYS, CONFIG, METRICS, Update, admit, finite
from strategies.aggregator import State, Vector, influence_of
from strategies.federation import Federation
from strategies.forge import Forger, refused
from strategies.geometry import along

LiveArray = live(Array)


def to_record(weights: Weights) -> ArrayRecord:
    """Flower record of a model's three vectors."""
    record = ArrayRecord()
    for name, array in weights.arrays().items():
        record[name] = LiveArray(array)  # the constructor would serialise
    return record


def from_record(record: ArrayRecord) -> dict[str, NDArray[Any]]:
    """Arrays of a Flower record, by name."""
    return {name: array.numpy() for name, array in record.items()}


@dataclass
class RoundLog:
    """What happened in one round, for the records."""

    cohort: list[int]
    clients: list[dict[str, Any]] = field(default_factory=list)
    """One row per client asked: its id, status (ok, rejected, failed, missing) and numbers."""
    failed: str | None = None
    """Why the round failed and the model was kept; None where it counted."""
    diagnostics: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    """Wall time by part: train (mean busy time of the lanes), transfer (the rest until the last reply),
    aggregate, evaluate."""
    client_seconds: dict[int, float] = field(default_factory=dict)
    """Training time that each client reports."""


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
        self._time(updates, start - self._sent_at)
        number = self.first + server_round
        updates = self._forged(updates, number)
        self._refuse_failures(number)
        needed = self.federation.needed()
        if len(updates) < needed:
            self.log.failed = f"{len(updates)} valid replies of {len(self.log.cohort)}, {needed} needed"
            self._refuse_hopeless(number)
            self.log.seconds["aggregate"] = time.perf_counter() - start
            return None, None
        before, state = self.weights, self.state
        if self.root is not None:
            state = {**state, "root": self.root(number, before)}
        self.weights, self.state = self._aggregate(state, updates, number)
        self._describe(before, updates)
        self._weigh(state, before, updates)
        record = to_record(self.weights)
        self.log.seconds["aggregate"] = time.perf_counter() - start
        return record, MetricRecord({"admitted": len(updates)})

    def _time(self, updates: list[Update], wall: float) -> None:
        """Split the time since sending: clients that train side by side share a lane's seconds."""
        self.log.client_seconds = {update.client: update.seconds for update in updates}
        lanes = min(self.lanes or len(self.log.cohort), len(self.log.cohort))
        train = min(wall, sum(self.log.client_seconds.values()) / lanes)
        self.log.seconds.update(train=train, transfer=wall - train)

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
                continue
            seen[client] = {"client": client, "status": "ok"}
            updates.append(update)
        for client in self.log.cohort:
            seen.setdefault(client, {"client": client, "status": "missing", "reason": "no reply in time"})
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
        return admit(arrays, values, self.layout, self.federation.max_norm, self.weights.theta)

    def _forged(self, updates: list[Update], number: int) -> list[Update]:
        """Updates with those of the malicious clients replaced; a forgery the server refuses is left out."""
        if self.forger is None:
            return updates
        try:
            forged = self.forger.forge(number, self.weights, updates)
        except FedgroupError as error:
            raise FedgroupError(f"round {number}: {error}") from error
        rows = {row["client"]: row for row in self.log.clients}
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
            theta, state = rule.step(state, self.weights.theta, [u.weights.theta for u in updates], samples)
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

    def _describe(self, before: Weights, updates: list[Update]) -> None:
        """Norms of every update and of the step taken, and the cosine between the two."""
        thetas = [update.weights.theta for update in updates]
        norms, products, step_norm = along(thetas, before.theta, self.weights.theta)
        rows = {row["client"]: row for row in self.log.clients}
        for update, norm, product in zip(updates, norms.tolist(), products.tolist(), strict=True):
            rows[update.client].update(
                examples=update.examples,
                groups=list(update.groups),
                loss=update.loss if np.isfinite(update.loss) else None,
                norm=norm,
                cosine=product / (norm * step_norm) if norm and step_norm else None,
            )
        self.log.diagnostics = {"step_norm": step_norm}
        for name, array in self.state.items():
            if array.dtype == np.float32:
                self.log.diagnostics[f"{name}_norm"] = float(np.linalg.norm(array))

    def _weigh(self, state: State, before: Weights, updates: list[Update]) -> None:
        """The group lens: each client's influence, and minority holders' against the others'."""
        vectors = [update.weights.theta for update in updates]
        rule, after = self.federation.rule(), self.weights.theta
        shares = influence_of(rule, state, before.theta, vectors, _samples(updates), after)
        if shares is None:
            return
        rows = {row["client"]: row for row in self.log.clients}
        for update, share in zip(updates, shares.tolist(), strict=True):
            rows[update.client]["influence"] = share
        bad = self.forger.malicious if self.forger is not None else frozenset()
        holds = [any(u.groups[g] for g in self.minority if g < len(u.groups)) for u in updates]
        for name, mask in (("minority", holds), ("attacker", [u.client in bad for u in updates])):
            ratio = _relative(shares, np.array(mask))
            if ratio is not None:
                self.log.diagnostics[f"{name}_influence"] = ratio

    def configure_evaluate(self, *_: Any) -> Iterable[Message]:
        """No client-side evaluation: groups are measured on the server's val and test splits."""
        return []

    def aggregate_evaluate(self, *_: Any) -> MetricRecord | None:
        """Nothing to aggregate."""
        return None

    def summary(self) -> None:
        """Flower logs the start itself."""


def _relative(shares: NDArray[np.float64], mask: NDArray[np.bool_]) -> float | None:
    """Mean share of the masked clients relative to the others'; None where either has none."""
    if not mask.any() or mask.all() or not shares[~mask].sum():
        return None
    return float(shares[mask].mean() / shares[~mask].mean())


def _samples(updates: list[Update]) -> NDArray[np.float64]:
    return np.array([update.examples for update in updates], np.float64)


def query_roster(grid: Grid, clients: int, wait: float = 120.0) -> dict[int, int]:
    """Ask every node which partition it holds; returns partition id -> node id, all 0..clients-1.

    Waits up to `wait` seconds for nodes to connect (SuperNodes join one by one).
    """
    deadline = time.monotonic() + wait
    nodes = sorted(grid.get_node_ids())
    while len(nodes) < clients and time.monotonic() < deadline:
        time.sleep(0.5)
        nodes = sorted(grid.get_node_ids())
    if len(nodes) != clients:
        raise FedgroupError(
            f"{len(nodes)} nodes are connected but task.partition.clients is {clients}: make them equal"
        )
    questions = [
        Message(content=RecordDict(), message_type=MessageType.QUERY, dst_node_id=node, group_id="0")
        for node in nodes
    ]
    roster: dict[int, int] = {}
    for reply in grid.send_and_receive(questions, timeout=wait):
        if reply.has_error():
            raise FedgroupError(f"a node could not say which partition it holds: {reply.error.reason}")
        answer = reply.content.metric_records[METRICS]
        roster[int(answer["partition-id"])] = reply.metadata.src_node_id  # type: ignore[arg-type]
    if sorted(roster) != list(range(clients)):
        raise FedgroupError(
            f"the nodes hold partitions {sorted(roster)[:8]}..., expected each of 0..{clients - 1} once"
        )
    return roster
