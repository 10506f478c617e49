"""Flower Grids that run the ClientApp for us: the one place that touches Flower's internals.

A grid answers messages. Here they are handed to the ClientApp in this process, one after another:
no serialisation, no polling, no Ray; the default, and the reference that every other runtime must
equal. `ray_grid.py` hands them to actors instead.
"""

import traceback
from collections.abc import Iterable, Sequence
from uuid import uuid4

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from fedgroup.errors import FedgroupError
from fedgroup.update import ClientLanes

SERVER_NODE = 1
CLIENT_APP_RAISED = 1001
"""Error code of a reply whose client raised."""


class ClientGrid(Grid, ClientLanes):
    """What every grid of ours shares. Node id = partition id + 2 (1 is the server)."""

    lanes: int = 1
    """Clients that train at the same time."""

    def __init__(self, clients: int) -> None:
        take_identity()
        self._clients = clients
        self._replies: dict[str, Message] = {}
        self._run = Run.create_empty(1)

    def answer(self, messages: Sequence[Message], timeout: float | None) -> list[Message]:
        """Return the replies to messages, in any order; those late or lost are left out."""
        raise NotImplementedError

    def close(self) -> None:
        """Release what the grid holds."""

    def set_run(self, run: Run) -> None:
        """Set the run this grid belongs to."""
        self._run = run

    @property
    def run(self) -> Run:
        """Return the run this grid belongs to."""
        return self._run

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
            dst_node_id: Node that it goes to.
            group_id: The round.
            ttl: Seconds for which it is valid; None: Flower's default.

        Returns:
            The message.
        """
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """Return the node ids of all clients."""
        return range(SERVER_NODE + 1, SERVER_NODE + 1 + self._clients)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Answer messages at once and keep the replies for pull_messages."""
        sent = list(messages)
        for reply in self.send_and_receive(sent):
            self._replies[reply.metadata.reply_to_message_id] = reply
        return [message.metadata.message_id for message in sent]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Take the replies to these messages."""
        return [self._replies.pop(key) for key in message_ids if key in self._replies]

    def send_and_receive(
        self,
        messages: Iterable[Message],
        *,
        timeout: float | None = None,
    ) -> Iterable[Message]:
        """Answer every message; a client that raises gives an error reply."""
        sent = list(messages)
        for message in sent:
            message.metadata.__dict__["_message_id"] = uuid4().hex
        return self.answer(sent, timeout)


class LocalGrid(ClientGrid):
    """All clients in this process, one after another."""

    def __init__(self, app: ClientApp, clients: int) -> None:
        super().__init__(clients)
        self._app = app
        self._contexts: dict[int, Context] = {}

    def answer(self, messages: Sequence[Message], timeout: float | None = None) -> list[Message]:
        """Handle the messages in order."""
        return [self.answer_one(message) for message in messages]

    def answer_one(self, message: Message) -> Message:
        """Hand one message to the ClientApp."""
        node = message.metadata.dst_node_id
        if node not in self._contexts:
            self._contexts[node] = context_of(node, self._clients)
        return handle(self._app, message, self._contexts[node])


def take_identity() -> None:
    """Give this process the task identity without which Flower makes no message."""
    TaskIdentity.task_id = TaskIdentity.run_id = 1
    TaskIdentity.node_id = SERVER_NODE


def context_of(node: int, clients: int) -> Context:
    """Return a fresh Flower context of a client: it says which partition the node holds."""
    config = {"partition-id": node - SERVER_NODE - 1, "num-partitions": clients}
    return Context(
        run_id=1, node_id=node, node_config=dict(config), state=RecordDict(), run_config={}
    )


def handle(app: ClientApp, message: Message, context: Context) -> Message:
    """Let one client answer; whatever it raises becomes an error reply, so the others go on.

    Args:
        app: The ClientApp.
        message: What it is asked.
        context: The client's own context.

    Returns:
        Its reply.
    """
    try:
        return app(message=message, context=context)
    except Exception as error:
        return Message(Error(CLIENT_APP_RAISED, reason_of(error)), reply_to=message)


def reason_of(error: Exception) -> str:
    """Return one line for a record: our own errors as they are, others with where they arose."""
    if isinstance(error, FedgroupError):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})"
