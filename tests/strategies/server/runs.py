"""Federated runs of a second, and clients whose replies are tampered with."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, Message

from clients.client_app import app as client_app
from clients.grid import LocalGrid
from experiments.experiment import Experiment
from fedgroup.update import ARRAYS
from strategies.server.federated_run import federate
from tests.toy import experiment

RULES: list[Any] = [
    "fedavg",
    "median",
    {"use": "trimmed_mean", "trim": 1},
    {"use": "sparsefed", "k": 0.1, "rho": 0.9},
    "tests.toy:MeanOfTwo",
]
RECORDS = ("rounds.jsonl", "clients.jsonl", "partition.csv", "result.json")


def make(**changes: Any) -> Experiment:
    return Experiment.of(experiment(**changes))


def records(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RECORDS}


def arrays(folder: Path) -> dict[str, Any]:
    with np.load(folder / "checkpoint.npz") as stored:
        return {name: stored[name] for name in stored.files if name != "__head__"}


class Meddling(LocalGrid):
    """A grid whose clients' replies pass through `meddle(round, client, reply)`; None loses the reply."""

    def __init__(self, clients: int, meddle: Callable[[int, int, Message], Message | None]) -> None:
        super().__init__(client_app, clients)
        self.meddle = meddle

    def answer(self, messages: Sequence[Message], timeout: float | None = None) -> list[Message]:
        out = []
        for message in messages:
            reply = self.answer_one(message)
            number = int(message.metadata.group_id)
            changed = (
                reply
                if number == 0
                else self.meddle(number, message.metadata.dst_node_id - 2, reply)
            )
            if changed is not None:
                out.append(changed)
        return out


def federate_with(
    meddle: Callable[[int, int, Message], Message | None], exp: Experiment, folder: Path
) -> Path:
    return federate(Meddling(exp.task.partition.clients, meddle), exp.task, exp.federation, folder)


def replace_array(reply: Message, name: str, change: Callable[[Any], Any]) -> Message:
    record = reply.content.array_records[ARRAYS]
    made = {
        key: Array(change(value.numpy().copy()) if key == name else value.numpy())
        for key, value in record.items()
    }
    reply.content[ARRAYS] = ArrayRecord(made)
    return reply


def spoil_theta(value: float) -> Callable[[Message], Message]:
    def change(array: Any) -> Any:
        array[7] = value
        return array

    return lambda reply: replace_array(reply, "theta", change)
