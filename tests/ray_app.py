"""ClientApps that misbehave on purpose, for the Ray grid: how is told by files in $FEDGROUP_CACHE/trouble."""

import os
import signal
import time
from pathlib import Path

import torch
from flwr.app import Context, Message, MetricRecord, RecordDict

from clients.client_app import app as real
from clients.grid import SERVER_NODE


def folder() -> Path:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")  # the cache is shared by all of them
    return Path(os.environ["FEDGROUP_CACHE"]) / f"trouble{worker}"


def plan(kind: str, client: int, times: int) -> None:
    """From now on the client's next `times` trainings end in trouble of this kind."""
    folder().mkdir(parents=True, exist_ok=True)
    for number in range(times):
        (folder() / f"{kind}-{client}-{number}").touch()


def clear() -> None:
    for file in folder().glob("*"):
        file.unlink()


def app(message: Message, context: Context) -> Message:
    client = message.metadata.dst_node_id - SERVER_NODE - 1
    if message.metadata.message_type == "train":
        for file in sorted(folder().glob(f"*-{client}-*")):
            file.unlink()
            kind = file.name.split("-")[0]
            if kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if kind == "memory":
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
            if kind == "sleep":
                time.sleep(120)
            if kind == "raise":
                raise RuntimeError("a client's own fault")
            break
    return real(message=message, context=context)


def counting(message: Message, context: Context) -> Message:
    """Answers how often this node was asked before; the number lives in the context's state."""
    before = context.state.metric_records.get("count", MetricRecord({"n": 0}))["n"]
    context.state["count"] = MetricRecord({"n": int(before) + 1})  # type: ignore[arg-type]
    return Message(
        RecordDict({"answer": MetricRecord({"n": before, "process": os.getpid()})}),
        reply_to=message,
    )
