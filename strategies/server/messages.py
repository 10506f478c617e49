"""The server's side of a message: vectors as Flower records, and messages outside a Flower run.

Together with partition_grid.py the one place of the server that touches Flower's internals.
"""

from typing import Any

from flwr.app import Array, ArrayRecord, Message
from flwr.supercore.task_identity import TaskIdentity
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from fedgroup.layout import Weights
from fedgroup.lazy_array import lazy_array_class
from fedgroup.update import ARRAYS, METRICS

LazyArray = lazy_array_class(Array)


def to_record(weights: Weights) -> ArrayRecord:
    """Return the Flower record of a model's three vectors."""
    record = ArrayRecord()
    for name, array in weights.arrays().items():
        record[name] = LazyArray(array)  # the constructor would serialise
    return record


def from_record(record: ArrayRecord) -> dict[str, NDArray[Any]]:
    """Return the arrays of a Flower record by name."""
    return {name: array.numpy() for name, array in record.items()}


def read_metrics(reply: Message) -> dict[str, Any]:
    """Return the metrics of a reply; refuse one without arrays or without metrics."""
    content = reply.content
    if ARRAYS not in content.array_records or METRICS not in content.metric_records:
        raise FedgroupError(
            f"the reply has records {sorted(content)}, expected '{ARRAYS}' and '{METRICS}'"
        )
    return dict(content.metric_records[METRICS])


def read_arrays(reply: Message) -> dict[str, NDArray[Any]]:
    """Return the arrays of a reply by name; refuse what cannot be read."""
    try:
        return from_record(reply.content.array_records[ARRAYS])
    except (ValueError, TypeError, OSError) as error:
        raise FedgroupError(f"the reply's arrays cannot be read ({error})") from error


class LentIdentity:
    """Lend this process the task identity without which Flower makes no message."""

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
