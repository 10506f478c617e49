"""The Flower ClientApp: answers which partition it holds, and trains it.

A node's own config says which partition that is (`partition-id`) and, where the data are files, in
which of its folders they lie (`data-root`); everything else comes with the message.
"""

from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path

from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from clients.local import local_update
from fedgroup.errors import FedgroupError
from fedgroup.layout import Weights
from fedgroup.lazy_array import lazy_array_class
from fedgroup.task import Task, check_same_content
from fedgroup.update import ARRAYS, CONFIG, METRICS

app = ClientApp()
LazyArray = lazy_array_class(Array)


@app.query()
def who(message: Message, context: Context) -> Message:
    """Say which partition this node holds."""
    answer = MetricRecord({"partition-id": _partition_id(context)})
    return Message(content=RecordDict({METRICS: answer}), reply_to=message)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train on this node's shard from the global weights and send the new weights back."""
    settings = message.content.config_records[CONFIG]
    arrays = {name: array.numpy() for name, array in message.content.array_records[ARRAYS].items()}
    update = local_update(
        _task(str(settings["task"]), _data_root(context), _text(settings.get("content"))),
        _partition_id(context),
        int(settings["round"]),  # type: ignore[arg-type]
        Weights.from_arrays(arrays),
        str(settings["layout"]),
    )
    sent = ArrayRecord()
    for name, array in update.weights.arrays().items():
        sent[name] = LazyArray(array)
    metrics = MetricRecord(update.metrics())  # type: ignore[arg-type]
    content = RecordDict({ARRAYS: sent, METRICS: metrics})
    return Message(content=content, reply_to=message)


def _partition_id(context: Context) -> int:
    value = context.node_config.get("partition-id")
    if isinstance(value, bool) or not isinstance(value, int):
        raise FedgroupError(
            f"node config has partition-id={value!r}: start the SuperNode with "
            f'--node-config "partition-id=0 num-partitions=N"'
        )
    return value


def _data_root(context: Context) -> str:
    """Return the folder of this node's data files; "" where the node does not say."""
    value = context.node_config.get("data-root", "")
    if not isinstance(value, str) or (value and not Path(value).is_dir()):
        raise FedgroupError(
            f"node config has data-root={value!r}, which is no folder on this node: start the "
            f"SuperNode with --node-config 'data-root=\"/data\" partition-id=0 num-partitions=N'"
        )
    return value


def _text(value: object) -> str | None:
    """Return a setting of a message as text; None where the message has none."""
    return None if value is None else str(value)


@lru_cache(maxsize=4)
def _task(text: str, data_root: str = "", content: str | None = None) -> Task:
    """Return the task of a message, its data in this node's own folder where it has one.

    Refuse one whose code or data files are not those that the server has.
    """
    task = Task.from_json(text)
    if data_root and "root" in {field.name for field in fields(task.data)}:
        task = replace(task, data=replace(task.data, root=data_root))
    if content is not None:
        check_same_content(task, content)
    return task
