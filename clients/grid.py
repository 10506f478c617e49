"""A Flower Grid in this process: messages are handed to the ClientApp one after another.

No serialisation between processes, no polling, no Ray: the default for a laptop, and the reference
that every other runtime must equal. This file alone touches Flower's internals.
"""

import traceback
from collections.abc import Iterable
from uuid import uuid4

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from fedgroup.errors import FedgroupError

SERVER_NODE = 1
CLIENT_APP_RAISED = 1001
"""Error code of a reply whose client raised."""


class LocalGrid(Grid):
    """All clients in this process. Node id = partition id + 2 (1 is the server)."""

    def __init__(self, app: ClientApp, clients: int) -> None:
        TaskIdentity.task_id = TaskIdentity.run_id = 1
        TaskIdentity.node_id = SERVER_NODE
        self._app = app
        self._clients = clients
        self._contexts: dict[int, Context] = {}
        self._replies: dict[str, Message] = {}
        self._run = Run.create_empty(1)

    def set_run(self, run: Run) -> None:
        """Set the run this grid belongs to."""
        self._run = run

    @property
    def run(self) -> Run:
        """The run this grid belongs to."""
        return self._run

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """Node ids of all clients."""
        return range(SERVER_NODE + 1, SERVER_NODE + 1 + self._clients)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Handle messages at once and keep the replies for pull_messages."""
        ids = []
        for message in messages:
            reply = self._handle(message)
            ids.append(message.metadata.message_id)
            self._replies[message.metadata.message_id] = reply
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Take the replies to these messages."""
        return [self._replies.pop(key) for key in message_ids if key in self._replies]

    def send_and_receive(
        self,
        messages: Iterable[Message],
        *,
        timeout: float | None = None,
    ) -> Iterable[Message]:
        """Handle every message in order; a client that raises gives an error reply."""
        return [self._handle(message) for message in messages]

    def _handle(self, message: Message) -> Message:
        message.metadata.__dict__["_message_id"] = uuid4().hex
        node = message.metadata.dst_node_id
        context = self._contexts.get(node)
        if context is None:
            partition = node - SERVER_NODE - 1
            context = Context(
                run_id=1,
                node_id=node,
                node_config={"partition-id": partition, "num-partitions": self._clients},
                state=RecordDict(),
                run_config={},
            )
            self._contexts[node] = context
        try:
            return self._app(message=message, context=context)
        except FedgroupError as error:
            return Message(Error(CLIENT_APP_RAISED, str(error)), reply_to=message)
        except Exception as error:  # one client's fault must not end the run
            last = traceback.extract_tb(error.__traceback__)[-1]
            reason = f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})"
            return Message(Error(CLIENT_APP_RAISED, reason), reply_to=message)
