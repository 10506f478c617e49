"""Whole federated runs through the real ServerApp, ClientApp and in-process grid."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message

from clients.client_app import app as client_app
from clients.grid import LocalGrid
from experiments.run import run
from fedgroup.errors import FedgroupError
from fedgroup.layout import Layout, read
from fedgroup.runs.run_directory import read_lines
from fedgroup.seeding import rng
from fedgroup.task import assign_clients, load_splits
from fedgroup.train import fit
from strategies.server.federated_run import federate
from tests.strategies.server.runs import (
    RULES,
    arrays,
    federate_with,
    make,
    records,
)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_same_seed_gives_identical_records(rule: Any, tmp_path: Path) -> None:
    exp = make(federation__aggregator=rule)
    one, two = run(exp, tmp_path / "one"), run(exp, tmp_path / "two")
    assert records(one) == records(two)
    assert all(np.array_equal(value, arrays(two)[name]) for name, value in arrays(one).items())


def test_other_seed_gives_another_run(tmp_path: Path) -> None:
    one, two = run(make(), tmp_path), run(make(task__seed=1), tmp_path)
    assert one != two
    assert read_lines(one, "rounds")[1]["cohort"] != read_lines(two, "rounds")[1]["cohort"]


def test_every_rule_under_one_seed_meets_the_same_start_and_clients(tmp_path: Path) -> None:
    folders = [run(make(federation__aggregator=rule), tmp_path) for rule in RULES]
    firsts = [read_lines(folder, "rounds")[0] for folder in folders]
    assert all(first == firsts[0] for first in firsts)
    for other in folders[1:]:
        assert [r.get("cohort") for r in read_lines(other, "rounds")] == [
            r.get("cohort") for r in read_lines(folders[0], "rounds")
        ]
        assert (other / "partition.csv").read_bytes() == (folders[0] / "partition.csv").read_bytes()


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("stop", [1, 3])
def test_interrupted_and_resumed_equals_uninterrupted(rule: Any, stop: int, tmp_path: Path) -> None:
    exp = make(federation__aggregator=rule, federation__rounds=5)
    whole = run(exp, tmp_path / "whole")

    def pull_the_plug(number: int, client: int, reply: Message) -> Message:
        if number == stop:
            raise KeyboardInterrupt
        return reply

    with pytest.raises(KeyboardInterrupt):
        federate_with(pull_the_plug, exp, tmp_path / "cut")
    cut = tmp_path / "cut" / exp.id
    assert read_lines(cut, "rounds")[-1]["round"] == stop - 1
    assert not (cut / "result.json").exists()
    assert run(exp, tmp_path / "cut") == cut
    assert records(cut) == records(whole)
    assert all(np.array_equal(value, arrays(cut)[name]) for name, value in arrays(whole).items())
    for name in ("best.npz", "checkpoint.npz"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()
    assert [row["round"] for row in read_lines(cut, "timing")] == list(range(6))


def test_one_client_with_everything_equals_the_trainer_bitwise(tmp_path: Path) -> None:
    exp = make(
        task__partition__clients=1,
        federation__fraction=1.0,
        federation__rounds=1,
        task__train__epochs=3,
    )
    folder = run(exp, tmp_path)
    train = load_splits(exp.task.data).train
    (positions,) = assign_clients(exp.task)
    assert sorted(positions.tolist()) == list(range(80))
    model = exp.task.model.build(2, 0)
    fit(model, train.take(positions), exp.task.train, rng(0, "local", 1, 0))
    for name, array in read(model).arrays().items():
        assert np.array_equal(arrays(folder)[name], array), name


def test_reply_order_does_not_change_bits(tmp_path: Path) -> None:
    class Backwards(LocalGrid):
        def answer(
            self, messages: Sequence[Message], timeout: float | None = None
        ) -> list[Message]:
            return [self.answer_one(m) for m in messages][::-1]

    exp = make()
    plain = run(exp, tmp_path / "plain")
    other = federate(Backwards(client_app, 8), exp.task, exp.federation, tmp_path / "other")
    assert records(plain) == records(other)


def test_sparsefed_with_more_coordinates_than_the_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match="126"):
        run(make(federation__aggregator={"use": "sparsefed", "k": 400_000}), tmp_path)


def test_the_partition_table_counts_every_sample(tmp_path: Path) -> None:
    folder = run(make(), tmp_path)
    lines = (folder / "partition.csv").read_text().splitlines()
    assert lines[0] == "client,a0,a1,b0,b1,poisons,total"
    table = np.array([[int(v) for v in line.split(",")] for line in lines[1:]])
    assert table[:, 0].tolist() == list(range(8))
    assert table[:, 1:5].sum(0).tolist() == [40, 8, 4, 28]
    assert table[:, 6].sum() == 80


def test_client_lines_say_what_each_client_holds(tmp_path: Path) -> None:
    folder = run(make(), tmp_path)
    for row in read_lines(folder, "clients"):
        assert row["examples"] == sum(row["groups"]) == 10
        assert row["norm"] > 0
        assert -1 <= row["cosine"] <= 1
        assert row["loss"] > 0


def test_evaluation_can_be_sparse_but_never_misses_the_last_round(tmp_path: Path) -> None:
    folder = run(make(federation__rounds=5, federation__eval_every=2), tmp_path)
    assert [r["round"] for r in read_lines(folder, "rounds") if "test" in r] == [0, 2, 4, 5]


def test_another_models_checkpoint_is_refused(tmp_path: Path) -> None:
    exp = make(federation__rounds=2)
    folder = run(exp, tmp_path)
    (folder / "result.json").unlink()
    with np.load(folder / "checkpoint.npz") as stored:
        held = {name: stored[name] for name in stored.files}
    head = json.loads(str(held.pop("__head__")))
    head["facts"]["layout"] = "0" * 12
    np.savez(folder / "checkpoint.npz", **held, __head__=np.array(json.dumps(head)))
    with pytest.raises(FedgroupError, match="another model layout"):
        run(exp, tmp_path)


def test_layout_of_the_toy_net_is_what_the_errors_say() -> None:
    assert Layout.of(make().task.model.build(2, 0)).length("theta") == 126
