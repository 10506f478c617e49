"""One round: clients that raise or stay away, and rounds that do not count."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Context, Message
from torch import nn

from clients.client_app import app as client_app
from clients.grid import LocalGrid
from experiments.run import run
from fedgroup.errors import FedgroupError
from fedgroup.runs.run_directory import read_lines
from fedgroup.storage import read_json
from strategies.cohort_schedule import schedule
from strategies.server.federated_run import federate
from tests.strategies.server.runs import (
    federate_with,
    make,
    spoil_theta,
)
from tests.toy import ToyNet


def test_a_raising_client_is_recorded_and_the_round_goes_on(tmp_path: Path) -> None:
    exp = make(federation__rounds=1)
    victim = int(schedule(0, 8, 0.5, 1)[0][0])

    class Raising(LocalGrid):
        def answer_one(self, message: Message) -> Message:
            if (
                message.metadata.message_type == "train"
                and message.metadata.dst_node_id - 2 == victim
            ):
                app = self._app
                self._app = broken  # type: ignore[assignment]
                try:
                    return super().answer_one(message)
                finally:
                    self._app = app
            return super().answer_one(message)

    def broken(message: Message, context: Context) -> Message:
        raise RuntimeError("CUDA out of memory")

    folder = federate(Raising(client_app, 8), exp.task, exp.federation, tmp_path)
    (row,) = read_lines(folder, "rounds")[1]["refused"]
    assert (row["client"], row["status"]) == (victim, "failed")
    assert "CUDA out of memory" in row["reason"]


def test_too_few_valid_replies_fail_the_round_and_keep_the_model(tmp_path: Path) -> None:
    exp = make(federation__aggregator={"use": "trimmed_mean", "trim": 1}, federation__rounds=3)

    def meddle(number: int, client: int, reply: Message) -> Message:
        return spoil_theta(float("nan"))(reply) if number == 2 and client != 1 else reply

    folder = federate_with(meddle, exp, tmp_path)
    rows = read_lines(folder, "rounds")
    assert rows[2]["failed"] is not None
    assert "3 needed" in rows[2]["failed"]
    assert rows[1]["failed"] is None
    assert rows[3]["failed"] is None
    assert rows[2]["val"] == rows[1]["val"]
    assert rows[2]["test"] == rows[1]["test"]
    result = read_json(folder / "result.json")
    assert result["failed_rounds"] == 1
    assert result["rounds"] == 3


def test_when_every_client_raises_the_run_stops_with_the_first_reason(tmp_path: Path) -> None:
    exp = make(
        task__train__batch_size=1,
        task__model="tests.strategies.server.test_flower_strategy:FussyModel",
    )
    with pytest.raises(
        FedgroupError, match=r"round 1: all 4 clients failed; the first says: .*no such luck"
    ):
        run(exp, tmp_path)


@dataclass(frozen=True)
class FussyModel:
    """Works on the server, raises on every client."""

    def build(self, classes: int, seed: int) -> nn.Module:
        net = ToyNet(classes)
        net.register_forward_pre_hook(no_luck)
        return net


def no_luck(module: nn.Module, _: Any) -> None:
    if module.training:
        raise RuntimeError("no such luck")


def test_min_valid_raises_the_bar(tmp_path: Path) -> None:
    exp = make(federation__min_valid=4, federation__rounds=1)

    def meddle(number: int, client: int, reply: Message) -> Message | None:
        return None if client == int(schedule(0, 8, 0.5, 1)[0][0]) else reply

    with pytest.raises(FedgroupError, match="all 1 rounds failed.* 3 valid replies of 4, 4 needed"):
        federate_with(meddle, exp, tmp_path)
    (_, row) = read_lines(tmp_path / exp.id, "rounds")
    assert "3 valid replies of 4, 4 needed" in str(row["failed"])
