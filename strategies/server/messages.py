"""Flower messages outside a Flower run: the one place of the server side that touches its internals."""

from flwr.app import Message
from flwr.supercore.task_identity import TaskIdentity


class LentIdentity:
    """Messages can only be made by a process with a task identity; lend one where there is none."""

    def __enter__(self) -> None:
        self.before = (TaskIdentity._task_id, TaskIdentity._run_id, TaskIdentity._node_id)
        if None in self.before:
            TaskIdentity.task_id = TaskIdentity.run_id = TaskIdentity.node_id = 1

    def __exit__(self, *_: object) -> None:
        TaskIdentity._task_id, TaskIdentity._run_id, TaskIdentity._node_id = self.before


def with_id(message: Message, name: str) -> Message:
    """Give a message the id that a reply to it needs."""
    message.metadata.__dict__["_message_id"] = name
    return message
