"""A worker process of the Ray grid: keeps the model and the data, answers one message at a time."""

import logging
import os
import sys
from collections.abc import Mapping
from typing import Any

import torch
import torch._dynamo  # the first optimiser step would import it, inside a timed round
from flwr.app import Message
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from clients.grid import context_of, reason_of, take_identity
from clients.packing import Packed, pack, unpack
from fedgroup.spec import imported

Answer = tuple[str, Any, Packed]
"""(ok, packed records, packed state), (error, one line, state) or (memory, one line, state)."""


class ClientActor:
    """Answers messages for any client; model, data and shards stay cached between them."""

    def __init__(
        self, app: str, clients: int, threads: int, paths: list[str], environment: Mapping[str, str]
    ) -> None:
        os.environ.update(environment)
        sys.path[:] = paths + [path for path in sys.path if path not in paths]
        logging.getLogger("flwr").setLevel(logging.WARNING)
        torch.set_num_threads(threads)
        threadpool_limits(1, user_api="blas")  # as in the run's own process
        take_identity()
        self._app = imported(app)
        self._clients = clients

    def process_id(self) -> int:
        """Return the process that answers; also the sign that it has started."""
        return os.getpid()

    def answer(self, content: Packed, kind: str, node: int, group: str, state: Packed) -> Answer:
        """Hand one message to the ClientApp; never raise.

        Args:
            content: Packed records of the message.
            kind: query or train.
            node: Node id of the client.
            group: The round.
            state: Packed state of the client's context.

        Returns:
            The outcome, what came of it, and the new state.
        """
        try:
            context = context_of(node, self._clients)
            context.state = unpack(state)
            message = Message(unpack(content), node, kind, group_id=group)
            message.metadata.__dict__["_message_id"] = "0"
            reply = self._app(message=message, context=context)
            kept = pack(context.state)
            if reply.has_error():
                return "error", reply.error.reason, kept
            return "ok", pack(reply.content), kept
        except (torch.OutOfMemoryError, MemoryError) as error:
            return "memory", reason_of(error), state
        except Exception as error:
            return "error", reason_of(error), state
