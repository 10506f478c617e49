"""What a Flower strategy is shown in place of a federation: nodes, replies, and what it asks for.

A strategy asks nodes to train (`configure_train`) before it aggregates. Here our server has asked
them already; what the strategy wants to be sent otherwise is read from its messages and refused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import (
    Array,
    ArrayRecord,
    ConfigRecord,
    Message,
    MessageType,
    MetricRecord,
    RecordDict,
)
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from flwr.supercore.run import Run

from fedgroup.errors import FedgroupError
from fedgroup.update import ARRAYS, METRICS
from strategies.aggregator import Vector
from strategies.server.messages import with_id

FIRST = 2
"""Node id of client 0; 1 is the server's."""
THETA = "theta"
"""Name of the one array."""
_ASKS = 5
"""A strategy that asks more often than this who is there, within one round, waits for more."""


@dataclass(frozen=True)
class Client:
    """One client of a round, as a strategy sees it."""

    number: int
    """Partition id, or the position where nobody says it."""
    vector: Vector
    """Its parameters, (D,) float32."""
    samples: float
    """Its training samples."""
    loss: float
    """Its training loss; NaN where it says none."""
    named: bool
    """Whether `number` is the partition id."""


def instructions(
    strategy: Strategy, number: int, theta: Vector, numbers: Sequence[int]
) -> dict[str, object]:
    """Let a strategy configure a round; return what it tells the clients besides the round.

    Args:
        strategy: The strategy; it may keep the global parameters.
        number: Its round, 1 for the first.
        theta: Global parameters, (D,) float32.
        numbers: Numbers of the clients of the round.

    Returns:
        Settings that it sends to the clients, by name.

    Raises:
        FedgroupError: It waits for more nodes, leaves clients out, calls another function than
            train, or sends other parameters than the global ones.
    """
    arrays, config = ArrayRecord({THETA: Array(theta)}), ConfigRecord()
    nodes = _Nodes([FIRST + client for client in numbers])
    messages = list(strategy.configure_train(number, arrays, config, nodes))
    told: dict[str, object] = dict(config)
    for message in messages:
        _refuse_other_question(message, theta)
        for record in message.content.config_records.values():
            told |= record
    asked = {message.metadata.dst_node_id for message in messages}
    if asked != set(nodes.ids):
        raise FedgroupError(
            f"it asks {len(asked & set(nodes.ids))} of the {len(numbers)} clients of the round to "
            f"train, but all of them have: clients are sampled by federation.fraction; let the "
            f"strategy ask all (fraction_train 1)"
        )
    told.pop("server-round", None)
    return told


def _refuse_other_question(message: Message, theta: Vector) -> None:
    kind = message.metadata.message_type
    if kind != MessageType.TRAIN:
        raise FedgroupError(f"it calls '{kind}' of the clients, which have '{MessageType.TRAIN}'")
    for record in message.content.array_records.values():
        sent = {name: array.numpy() for name, array in record.items()}
        if set(sent) != {THETA} or not np.array_equal(sent[THETA], theta):
            raise FedgroupError(
                "it sends the clients other arrays than the global parameters, from which they "
                "train here"
            )


def reply_of(client: Client, with_loss: bool) -> Message:
    """Return the reply of a client: array `theta`, metrics as ours send them."""
    question = Message(
        content=RecordDict(),
        message_type=MessageType.TRAIN,
        dst_node_id=FIRST + client.number,
        group_id="1",
    )
    with_id(question, str(FIRST + client.number))
    whole = client.samples == int(client.samples)
    values: dict[str, Any] = {
        "num-examples": int(client.samples) if whole else float(client.samples)
    }
    if client.named:
        values["partition-id"] = client.number
    if with_loss:
        values["loss"] = values["train_loss"] = client.loss
    content = RecordDict(
        {ARRAYS: ArrayRecord({THETA: Array(client.vector)}), METRICS: MetricRecord(values)}
    )
    return Message(content=content, reply_to=question)


class _Nodes(Grid):
    """A grid that only knows which nodes there are."""

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = list(ids)
        self._asked = 0

    def set_run(self, run: Run) -> None:
        """Not used."""

    @property
    def run(self) -> Run:
        """An empty run."""
        return Run.create_empty(1)

    def create_message(self, *_: Any, **__: Any) -> Message:
        """Not used."""
        raise NotImplementedError

    def get_node_ids(self) -> list[int]:
        """Return the node ids; refuse to be asked on and on."""
        self._asked += 1
        if self._asked > _ASKS:
            raise FedgroupError(
                f"it waits for more nodes than the {len(self.ids)} clients of the round: lower its "
                f"min_train_nodes and min_available_nodes, or raise federation.fraction"
            )
        return list(self.ids)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Refuse: a strategy does not reach the clients by itself."""
        raise FedgroupError("it sends messages by itself: the server sends them here")

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Refuse: a strategy does not reach the clients by itself."""
        raise FedgroupError("it waits for messages by itself: the server receives them here")

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Refuse: a strategy does not reach the clients by itself."""
        raise FedgroupError("it sends messages by itself: the server sends them here")
