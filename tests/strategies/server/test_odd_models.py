"""State that is not in the vector: odd tensors, frozen parts and random streams, in every runtime."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Message
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as Wire

from clients import local
from clients.client_app import app as client_app
from clients.grid import LocalGrid
from experiments.run import run
from fedgroup.errors import FedgroupError
from fedgroup.layout import Weights, write
from fedgroup.model import build_model
from fedgroup.probes.finished_run import best_model
from fedgroup.runs.run_directory import read_lines
from fedgroup.storage import read_json
from strategies.server.federated_run import Server, federate
from strategies.server.remote_sites import PartitionGrid
from tests.odd_models import MODELS, OddNet
from tests.strategies.server.runs import arrays, make, records

CPU = torch.device("cpu")


def odd(name: str, **changes: Any) -> Any:
    return make(task__model=f"tests.odd_models:{name}", federation__rounds=2, **changes)


class Serialised(LocalGrid):
    """A grid of Flower's kind: messages are bytes on the way there and back."""

    def answer(self, messages: Sequence[Message], timeout: float | None = None) -> list[Message]:
        local._model.cache_clear()  # another process
        return [sent(self.answer_one(sent(message))) for message in reversed(messages)]


def sent(message: Message) -> Message:
    return message_from_proto(Wire.FromString(message_to_proto(message).SerializeToString()))


def spoil_streams() -> None:
    """Leave the global streams where no other process has them."""
    torch.seed()
    np.random.seed()  # noqa: NPY002
    random.seed()


@pytest.mark.parametrize("name", MODELS)
def test_flowers_path_equals_the_in_process_grid_bit_for_bit(name: str, tmp_path: Path) -> None:
    exp = odd(name)
    plain = run(exp, tmp_path / "plain")
    spoil_streams()
    grid = PartitionGrid(Serialised(client_app, 8), 8, 10.0)
    other = federate(grid, exp.task, exp.federation, tmp_path / "wire")
    assert records(other) == records(plain)
    one, two = arrays(plain), arrays(other)
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[key], two[key], equal_nan=True) for key in one if key != "forger")
    assert [row["admitted"] for row in read_lines(plain, "rounds")[1:]] == [4, 4]


@pytest.mark.parametrize("name", MODELS)
def test_a_stopped_run_ends_like_an_uninterrupted_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = odd(name)
    whole = run(exp, tmp_path / "whole")
    checkpoint = Server._checkpoint

    def stop(server: Server, number: int) -> None:
        checkpoint(server, number)
        if number == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Server, "_checkpoint", stop)
    with pytest.raises(KeyboardInterrupt):
        run(exp, tmp_path / "stopped")
    monkeypatch.undo()
    local._model.cache_clear()
    spoil_streams()
    assert records(run(exp, tmp_path / "stopped")) == records(whole)


def test_odd_tensors_have_their_values_after_two_rounds(tmp_path: Path) -> None:
    exp = odd("OddModel", task__train__lr=1.0)
    folder = run(exp, tmp_path)
    net = build_model(exp.task.model, 2, exp.task.seed, CPU)
    assert isinstance(net, OddNet)
    start = {name: value.clone() for name, value in net.state_dict().items()}
    write(net, Weights.from_arrays(arrays(folder)))
    for name in (
        "mask",
        "chosen",
        "octets",
        "halves",
        "phase",
        "wide",
        "unused",
        "backbone.weight",
    ):
        assert torch.equal(net.state_dict()[name], start[name]), name
    assert int(net.calls) == max(
        sum(-(-counts["examples"] // 4) for counts in of_a_client)
        for of_a_client in _trained_in_turn(folder)
    )
    assert not torch.equal(net.scale, start["scale"])
    assert not torch.equal(net.mixer.weight, start["mixer.weight"])


def _trained_in_turn(folder: Path) -> list[list[dict[str, Any]]]:
    """Every choice of one client per round: counters are the largest of any client."""
    rounds = [[row for row in read_lines(folder, "clients") if row["round"] == n] for n in (1, 2)]
    return [[one, two] for one in rounds[0] for two in rounds[1]]


def test_what_is_frozen_is_the_servers_and_stands_in_the_record(tmp_path: Path) -> None:
    exp = odd("OddModel", task__seed=3)
    hashes = read_json(run(exp, tmp_path) / "result.json")["hashes"]
    assert len(hashes["frozen"]) == 12
    other = read_json(run(odd("OddModel", task__seed=4), tmp_path) / "result.json")["hashes"]
    assert other["frozen"] != hashes["frozen"]
    plain = read_json(run(make(federation__rounds=1), tmp_path) / "result.json")["hashes"]
    assert "frozen" not in plain


def test_a_model_that_moves_its_frozen_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        FedgroupError, match=r"TeacherNet changed its frozen parameter 'backbone.weight'.*a buffer"
    ):
        run(odd("TeacherModel"), tmp_path)


def test_frozen_weights_that_differ_between_processes_are_refused(tmp_path: Path) -> None:
    local._model.cache_clear()
    with pytest.raises(FedgroupError, match=r"model layout .*\+.* is not this client's"):
        run(odd("UnluckyModel"), tmp_path)


def test_a_run_whose_frozen_weights_are_gone_is_not_measured(tmp_path: Path) -> None:
    exp = odd("OddModel")
    folder = run(exp, tmp_path)
    best_model(folder, exp.task, 2, CPU)
    other = odd("UnluckyModel").task
    with pytest.raises(FedgroupError, match="was made with other frozen weights"):
        best_model(folder, other, 2, CPU)
