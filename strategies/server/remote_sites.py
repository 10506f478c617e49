"""Flower's grid as the rounds see it: the addressee is a partition, whichever node holds it now.

A SuperNode that restarts without a key gets another node id, and its old one stays listed for a
minute. So every node is asked once which partition it holds, new ones before each round, and
partition p is addressed as node p + 2, as in our own grids. A round ends when all replies are there
or time is up.
"""

import logging
import time
from collections.abc import Iterable

from flwr.app import Error, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from fedgroup.errors import FedgroupError
from fedgroup.update import METRICS

FIRST = 2
"""Node id under which partition 0 is addressed."""
JOIN_SECONDS = 300.0
"""Longest wait for all partitions to be there, and before a round for a node that has just
connected."""
POLL_SECONDS = 0.5
"""Pause between two looks for replies."""
NOT_SENT = 1002
"""Error code of a reply in place of a message that the SuperLink did not take."""

_LOG = logging.getLogger("flwr")


class PartitionGrid(Grid):
    """Flower's grid with stable addresses for partitions and a time limit for a round."""

    def __init__(self, grid: Grid, clients: int, timeout: float) -> None:
        """Address partitions over a grid.

        Args:
            grid: Flower's own grid.
            clients: Number of partitions.
            timeout: Seconds that a round waits for replies.
        """
        self._grid = grid
        self._clients = clients
        self._timeout = timeout
        self._asked: dict[str, int] = {}
        """Questions without an answer so far: message id -> node id."""
        self._seen: set[int] = set()
        self._holders: dict[int, int] = {}
        """Partition id -> the node that answered last."""
        self._refusal = ""

    def set_run(self, run: Run) -> None:
        """Set the run this grid belongs to."""
        self._grid.set_run(run)

    @property
    def run(self) -> Run:
        """Return the run this grid belongs to."""
        return self._grid.run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        """Make a message.

        Args:
            content: Its records.
            message_type: query, train or evaluate.
            dst_node_id: Address of a partition, its id + 2.
            group_id: The round.
            ttl: Seconds for which it is valid; None: Flower's default.

        Returns:
            The message.
        """
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """Return the addresses of all partitions; wait for their nodes, refuse a lack of some."""
        deadline = time.monotonic() + JOIN_SECONDS
        self._look(0.0)
        while len(self._holders) < self._clients and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            self._look(0.0)
        if len(self._holders) < self._clients:
            raise FedgroupError(
                f"{len(self._seen)} nodes are connected and hold partitions "
                f"{sorted(self._holders)}, but each of 0..{self._clients - 1} is needed: start the "
                f"others, or lower task.partition.clients (now {self._clients}){self._refusal}"
            )
        return range(FIRST, FIRST + self._clients)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Send messages to the nodes that hold the addressed partitions."""
        return [self._push(message) or "" for message in messages]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Take the replies to these messages, as the nodes sent them."""
        return self._grid.pull_messages(message_ids)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Send and wait: a lost node's reply is an error, a late one is left out."""
        sent = list(messages)
        if sent and sent[0].metadata.message_type == MessageType.QUERY:
            return [self._partition_answer(message) for message in sent]
        if sent:
            self._look(min(JOIN_SECONDS, self._timeout))
        replies, waiting = [], {}
        for message in sent:
            identifier = self._push(message)
            if identifier is None:
                replies.append(
                    Message(
                        Error(NOT_SENT, "the SuperLink did not take the message"), reply_to=message
                    )
                )
            else:
                waiting[identifier] = message
        allowed = self._timeout if timeout is None else min(timeout, self._timeout)
        replies += self._collect(waiting, time.monotonic() + allowed)
        for message in waiting.values():
            _LOG.warning("partition %d: no reply in %g s", _partition(message), allowed)
        return replies

    def _collect(self, waiting: dict[str, Message], deadline: float) -> list[Message]:
        """Return the replies until the deadline, readdressed; answered messages leave `waiting`."""
        replies = []
        while waiting:
            for reply in self._grid.pull_messages(list(waiting)):
                message = waiting.pop(reply.metadata.reply_to_message_id, None)
                if message is None:
                    continue
                if reply.has_error():
                    _LOG.warning("partition %d: %s", _partition(message), reply.error.reason)
                    replies.append(Message(reply.error, reply_to=message))
                else:
                    replies.append(Message(reply.content, reply_to=message))
            if time.monotonic() >= deadline:
                break
            if waiting:
                time.sleep(POLL_SECONDS)
        return replies

    def _push(self, message: Message) -> str | None:
        data = message.metadata
        node = self._holders[data.dst_node_id - FIRST]
        copy = Message(message.content, node, data.message_type, group_id=data.group_id)
        return next(iter(self._grid.push_messages([copy])), None) or None

    def _partition_answer(self, message: Message) -> Message:
        """Answer which partition is addressed: the nodes have been asked."""
        answer = MetricRecord({"partition-id": _partition(message)})
        return Message(RecordDict({METRICS: answer}), reply_to=message)

    def _look(self, patience: float) -> None:
        """Ask new nodes which partition they hold; wait `patience` seconds for the answers."""
        new = sorted(set(self._grid.get_node_ids()) - self._seen)
        for node in new:
            question = Message(RecordDict(), node, MessageType.QUERY, group_id="0")
            identifier = next(iter(self._grid.push_messages([question])), None)
            if identifier:
                self._seen.add(node)
                self._asked[identifier] = node
        deadline = time.monotonic() + patience
        while self._asked:
            for reply in self._grid.pull_messages(list(self._asked)):
                asked = self._asked.pop(reply.metadata.reply_to_message_id, None)
                if asked is not None:
                    self._note(asked, reply)
            if time.monotonic() >= deadline or not set(self._asked.values()) & set(new):
                return
            time.sleep(POLL_SECONDS)

    def _note(self, node: int, reply: Message) -> None:
        """Remember what a node holds, or log why it takes no part."""
        if reply.has_error():
            self._refuse(node, reply.error.reason)
            return
        records = reply.content.metric_records
        partition = records[METRICS].get("partition-id") if METRICS in records else None
        if not isinstance(partition, int) or not 0 <= partition < self._clients:
            self._refuse(
                node, f"it holds partition {partition}, task.partition.clients is {self._clients}"
            )
            return
        if partition in self._holders:
            _LOG.warning(
                "partition %d: now held by node %d, before by %d",
                partition,
                node,
                self._holders[partition],
            )
        self._holders[partition] = node

    def _refuse(self, node: int, reason: str | None) -> None:
        self._refusal = f"; node {node} takes no part: {reason}"
        _LOG.warning("node %d takes no part: %s", node, reason)


def _partition(message: Message) -> int:
    return int(message.metadata.dst_node_id) - FIRST
