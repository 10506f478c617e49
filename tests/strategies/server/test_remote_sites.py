"""Flower's grid with stable addresses, against a grid of nodes that come, go and lie."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Error, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid

from clients.grid import take_identity
from fedgroup.errors import FedgroupError
from fedgroup.update import ARRAYS, METRICS
from strategies.server import remote_sites
from strategies.server.remote_sites import FIRST, PartitionGrid

Answer = Callable[[Message], Message | None]


class Nodes(Grid):
    """A SuperLink of dictionaries: node id -> what the node does with a message (None: it is silent)."""

    def __init__(self, nodes: dict[int, Answer]) -> None:
        take_identity()
        self.nodes = nodes
        self.sent: list[tuple[int, str]] = []
        self.replies: dict[str, Message] = {}

    run = property(lambda self: "the run")

    def set_run(self, run: Any) -> None: ...

    def create_message(self, *_: Any, **__: Any) -> Message:
        raise NotImplementedError

    def get_node_ids(self) -> Iterable[int]:
        return list(self.nodes)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        ids = []
        for message in messages:
            node = message.metadata.dst_node_id
            if node not in self.nodes:
                ids.append("")
                continue
            identifier = f"m{len(self.sent)}"
            message.metadata.__dict__["_message_id"] = identifier
            self.sent.append((node, message.metadata.message_type))
            reply = self.nodes[node](message)
            if reply is not None:
                self.replies[identifier] = reply
            ids.append(identifier)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        return [self.replies.pop(key) for key in list(message_ids) if key in self.replies]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        raise NotImplementedError


def holder(partition: Any, value: float = 0.0) -> Answer:
    """A node that holds a partition and answers training with its value."""

    def answer(message: Message) -> Message:
        if message.metadata.message_type == MessageType.QUERY:
            content = RecordDict({METRICS: MetricRecord({"partition-id": partition})})
        else:
            content = RecordDict(
                {ARRAYS: ArrayRecord({"theta": Array(np.array([value], np.float32))})}
            )
        return Message(content, reply_to=message)

    return answer


def silent(_: Message) -> None:
    return None


def broken(message: Message) -> Message:
    return Message(Error(3, "Node Unavailable"), reply_to=message)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("JOIN_SECONDS", 0.2), ("POLL_SECONDS", 0.01)):
        monkeypatch.setattr(remote_sites, name, seconds)


def training(partition: int) -> Message:
    return Message(RecordDict(), FIRST + partition, MessageType.TRAIN, group_id="1")


def values(replies: Iterable[Message]) -> dict[int, Any]:
    """Partition -> the value it sent, or the reason it gave."""
    return {
        reply.metadata.src_node_id - FIRST: reply.error.reason
        if reply.has_error()
        else float(reply.content.array_records[ARRAYS]["theta"].numpy()[0])
        for reply in replies
    }


def test_partitions_are_addressed_whatever_the_node_ids() -> None:
    nodes = Nodes({907: holder(1, 1.0), 55: holder(0, 0.5), 12345: holder(2, 2.0)})
    grid = PartitionGrid(nodes, 3, 1.0)
    assert list(grid.get_node_ids()) == [FIRST, FIRST + 1, FIRST + 2]
    assert values(grid.send_and_receive([training(2), training(0)])) == {2: 2.0, 0: 0.5}
    assert nodes.sent[-2:] == [(12345, "train"), (55, "train")]


def test_every_node_is_asked_once_and_the_roster_query_is_answered_here() -> None:
    nodes = Nodes({7: holder(0), 8: holder(1)})
    grid = PartitionGrid(nodes, 2, 1.0)
    ids = list(grid.get_node_ids())
    questions = [Message(RecordDict(), node, MessageType.QUERY, group_id="0") for node in ids]
    answers = grid.send_and_receive(questions)
    assert [a.content.metric_records[METRICS]["partition-id"] for a in answers] == [0, 1]
    assert [a.metadata.src_node_id for a in answers] == ids
    grid.send_and_receive([training(0)])
    assert [kind for _, kind in nodes.sent] == ["query", "query", "train"]


def test_a_node_that_was_killed_and_is_still_listed_does_not_stop_the_start() -> None:
    grid = PartitionGrid(Nodes({1: silent, 7: holder(0), 8: holder(1)}), 2, 1.0)
    assert list(grid.get_node_ids()) == [FIRST, FIRST + 1]


def test_a_restarted_node_takes_over_its_partition() -> None:
    nodes = Nodes({7: holder(0, 1.0), 8: holder(1, 2.0)})
    grid = PartitionGrid(nodes, 2, 0.1)
    grid.get_node_ids()
    nodes.nodes[8] = silent  # killed; Flower lists it for another minute
    assert values(grid.send_and_receive([training(0), training(1)])) == {0: 1.0}
    nodes.nodes[99] = holder(1, 3.0)
    assert values(grid.send_and_receive([training(0), training(1)])) == {0: 1.0, 1: 3.0}


def test_a_silent_node_costs_one_timeout_and_its_late_reply_is_never_taken() -> None:
    late: list[Message] = []
    nodes = Nodes({7: holder(0, 1.0), 8: holder(1)})
    grid = PartitionGrid(nodes, 2, 0.05)
    grid.get_node_ids()
    nodes.nodes[8] = lambda message: late.append(message)
    assert values(grid.send_and_receive([training(0), training(1)])) == {0: 1.0}
    nodes.replies[late[0].metadata.message_id] = holder(1, 666.0)(late[0])
    nodes.nodes[8] = holder(1, 5.0)
    assert values(grid.send_and_receive([training(0), training(1)])) == {0: 1.0, 1: 5.0}


def test_lost_nodes_and_unsent_messages_are_error_replies() -> None:
    nodes = Nodes({7: holder(0), 8: holder(1), 9: holder(2, 4.0)})
    grid = PartitionGrid(nodes, 3, 1.0)
    grid.get_node_ids()
    nodes.nodes[7] = broken
    del nodes.nodes[8]
    replies = values(grid.send_and_receive([training(0), training(1), training(2)]))
    assert replies == {0: "Node Unavailable", 1: "the SuperLink did not take the message", 2: 4.0}


def test_the_caller_may_be_less_patient_than_the_grid() -> None:
    grid = PartitionGrid(Nodes({7: holder(0)}), 1, 3600.0)
    grid.get_node_ids()
    grid._grid.nodes[7] = silent  # type: ignore[attr-defined]
    assert grid.send_and_receive([training(0)], timeout=0.05) == []


def test_nothing_to_send_is_nothing_to_wait_for() -> None:
    assert PartitionGrid(Nodes({}), 1, 3600.0).send_and_receive([]) == []


def test_missing_partitions_are_named() -> None:
    with pytest.raises(
        FedgroupError, match=r"2 nodes .* hold partitions \[0, 2\], but each of 0\.\.2 is needed"
    ):
        PartitionGrid(Nodes({7: holder(0), 8: holder(2)}), 3, 1.0).get_node_ids()


@pytest.mark.parametrize("partition", [5, -1, 0.5])
def test_a_partition_that_does_not_exist_is_refused_by_name(partition: Any) -> None:
    with pytest.raises(
        FedgroupError, match=rf"node 8 takes no part: it holds partition {partition}"
    ):
        PartitionGrid(Nodes({7: holder(0), 8: holder(partition)}), 2, 1.0).get_node_ids()


def test_a_node_without_a_partition_is_refused_with_its_own_words() -> None:
    with pytest.raises(FedgroupError, match="node 8 takes no part: Node Unavailable"):
        PartitionGrid(Nodes({7: holder(0), 8: broken}), 2, 1.0).get_node_ids()


@pytest.mark.parametrize(
    "content", [RecordDict(), RecordDict({METRICS: MetricRecord({"other": 1})})]
)
def test_a_node_that_answers_something_else_is_refused(content: RecordDict) -> None:
    def other(message: Message) -> Message:
        return Message(content, reply_to=message)

    with pytest.raises(FedgroupError, match="node 8 takes no part: it holds partition None"):
        PartitionGrid(Nodes({7: holder(0), 8: other}), 2, 1.0).get_node_ids()


def test_push_and_pull_are_addressed_too() -> None:
    nodes = Nodes({70: holder(0, 1.0)})
    grid = PartitionGrid(nodes, 1, 1.0)
    grid.get_node_ids()
    (identifier,) = grid.push_messages([training(0)])
    (reply,) = grid.pull_messages([identifier])
    assert nodes.sent[-1] == (70, "train") and reply.has_content()
