"""Whole federated runs through the real ServerApp, ClientApp and in-process grid."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, Context, Message
from torch import nn

from clients.client_app import app as client_app
from clients.grid import LocalGrid
from experiments.experiment import Experiment
from experiments.run import run
from fedgroup.errors import FedgroupError
from fedgroup.layout import Layout, read
from fedgroup.run_directory import read_json, read_lines
from fedgroup.seeding import rng
from fedgroup.task import assign_clients, load_splits
from fedgroup.train import fit
from fedgroup.update import ARRAYS, METRICS
from strategies.cohort import schedule
from strategies.server.federated_run import federate
from tests.toy import ToyNet, experiment

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
    assert (cut / "best.npz").read_bytes() == (whole / "best.npz").read_bytes()


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


def spoil_theta(value: float) -> Callable[[Message], Message]:
    def change(array: Any) -> Any:
        array[7] = value
        return array

    return lambda reply: replace_array(reply, "theta", change)


def set_metric(name: str, value: Any) -> Callable[[Message], Message]:
    def change(reply: Message) -> Message:
        reply.content[METRICS][name] = value
        return reply

    return change


def drop_record(reply: Message) -> Message:
    del reply.content[ARRAYS]
    return reply


BAD_REPLIES: list[tuple[Callable[[Message], Message | None], str, str]] = [
    (spoil_theta(float("nan")), "rejected", "theta holds 1 NaN"),
    (spoil_theta(float("inf")), "rejected", "theta holds 1 NaN or infinite"),
    (lambda r: replace_array(r, "theta", lambda a: a[:-1]), "rejected", "theta has shape (125,)"),
    (
        lambda r: replace_array(r, "theta", lambda a: a.astype(np.float64)),
        "rejected",
        "dtype float64",
    ),
    (
        lambda r: replace_array(r, "buffers", lambda a: a - 100),
        "rejected",
        "running variance is negative",
    ),
    (set_metric("num-examples", -1), "rejected", "num-examples is -1"),
    (set_metric("num-examples", float("nan")), "rejected", "num-examples is nan"),
    (set_metric("partition-id", 0), "rejected", "claims partition"),
    (drop_record, "rejected", "expected 'arrays' and 'metrics'"),
    (lambda r: None, "missing", "no reply in time"),
]


@pytest.mark.parametrize(
    ("spoil", "state", "words"), BAD_REPLIES, ids=[w for _, _, w in BAD_REPLIES]
)
def test_a_bad_reply_is_refused_whole_and_named(
    spoil: Callable[[Message], Message | None], state: str, words: str, tmp_path: Path
) -> None:
    exp = make(federation__rounds=1)
    victim = int(schedule(0, 8, 0.5, 1)[0][-1])
    assert victim != 0

    def meddle(number: int, client: int, reply: Message) -> Message | None:
        return spoil(reply) if client == victim else reply

    folder = federate_with(meddle, exp, tmp_path / "bad")
    (row,) = read_lines(folder, "rounds")[1]["refused"]
    assert (row["client"], row["status"]) == (victim, state)
    assert words in row["reason"]
    assert read_lines(folder, "rounds")[1]["admitted"] == 3
    # the model is the mean of the three others, client by client
    kept: list[Any] = []

    def collect(number: int, client: int, reply: Message) -> Message:
        if client != victim:
            kept.append(reply.content.array_records[ARRAYS]["theta"].numpy().copy())
        return reply

    federate_with(collect, exp, tmp_path / "good")
    total = kept[0] + kept[1] + kept[2]
    assert np.allclose(arrays(folder)["theta"], total / 3, rtol=1e-6, atol=1e-8)


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


def test_a_trim_too_large_for_the_cohort_is_refused_before_training(tmp_path: Path) -> None:
    exp = make(federation__aggregator={"use": "trimmed_mean", "trim": 2})
    with pytest.raises(
        FedgroupError,
        match="TrimmedMean needs 5 valid clients per round, but 0.5 of 8 clients is 4",
    ):
        run(exp, tmp_path)
    assert not (tmp_path / exp.id).exists()


def test_when_every_client_raises_the_run_stops_with_the_first_reason(tmp_path: Path) -> None:
    exp = make(
        task__train__batch_size=1,
        task__model="tests.strategies.server.test_federated_run:FussyModel",
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

    folder = federate_with(meddle, exp, tmp_path)
    assert "3 valid replies of 4, 4 needed" in str(read_lines(folder, "rounds")[1]["failed"])


def test_max_norm_bounds_a_single_client(tmp_path: Path) -> None:
    exp = make(federation__max_norm=5.0, federation__rounds=1)
    victim = int(schedule(0, 8, 0.5, 1)[0][0])

    def meddle(number: int, client: int, reply: Message) -> Message:
        return replace_array(reply, "theta", lambda a: a + 1) if client == victim else reply

    (row,) = read_lines(federate_with(meddle, exp, tmp_path), "rounds")[1]["refused"]
    assert row["client"] == victim
    assert "exceeds the bound 5" in row["reason"]


@pytest.mark.parametrize("policy", ["mean", "rule", "keep"])
def test_buffer_policies_by_hand(policy: str, tmp_path: Path) -> None:
    exp = make(federation__aggregator="median", federation__buffers=policy, federation__rounds=1)
    sent: list[dict[str, Any]] = []

    def collect(number: int, client: int, reply: Message) -> Message:
        sent.append({k: v.numpy().copy() for k, v in reply.content.array_records[ARRAYS].items()})
        return reply

    folder = federate_with(collect, exp, tmp_path)
    buffers = np.stack([s["buffers"] for s in sent])
    start = read(exp.task.model.build(2, 0)).buffers
    expected = {"mean": buffers.mean(0), "rule": np.median(buffers, 0), "keep": start}[policy]
    assert np.allclose(arrays(folder)["buffers"], expected, rtol=1e-6)
    assert arrays(folder)["counters"].tolist() == [max(int(s["counters"][0]) for s in sent)]
    assert arrays(folder)["counters"].dtype == np.int64
    assert np.array_equal(
        arrays(folder)["theta"], np.median(np.stack([s["theta"] for s in sent]), 0)
    )


def test_rule_buffers_need_a_coordinatewise_rule() -> None:
    with pytest.raises(FedgroupError, match="buffers: rule does not work with SparseFed"):
        make(federation__aggregator={"use": "sparsefed", "k": 0.1}, federation__buffers="rule")


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


def test_minority_influence_is_recorded_and_shrinks_under_the_median(tmp_path: Path) -> None:
    """With holders of all minority data among few clients, the median hears them less than the mean does."""
    changes: dict[str, Any] = {
        "task__data": {"use": "tests.toy:ToyData", "scale": 4},
        "task__partition": {"use": "minority_holders", "clients": 8, "holder_fraction": 0.25},
        "task__train__epochs": 5,
        "federation__fraction": 1.0,
    }
    folders = {
        rule: run(make(federation__aggregator=rule, **changes), tmp_path)
        for rule in ("fedavg", "median")
    }
    for folder in folders.values():
        for row in read_lines(folder, "rounds")[1:]:
            shares = [
                c["influence"] for c in read_lines(folder, "clients") if c["round"] == row["round"]
            ]
            assert sum(shares) == pytest.approx(1.0)
    mean = read_json(folders["fedavg"] / "result.json")["minority_influence"]
    median = read_json(folders["median"] / "result.json")["minority_influence"]
    assert mean == pytest.approx(1.0)
    assert median < 0.8


@pytest.mark.parametrize("kind", ["natural", "balanced"])
def test_fltrust_trains_its_own_root_update(kind: str, tmp_path: Path) -> None:
    rule = {"use": "fltrust", "root_set": kind, "root_size": 16}
    exp = make(federation__aggregator=rule, federation__rounds=4)
    whole = run(exp, tmp_path / "whole")
    assert not np.array_equal(arrays(whole)["state.root"], arrays(whole)["theta"])

    def pull_the_plug(number: int, client: int, reply: Message) -> Message:
        if number == 2:
            raise KeyboardInterrupt
        return reply

    with pytest.raises(KeyboardInterrupt):
        federate_with(pull_the_plug, exp, tmp_path / "cut")
    assert records(run(exp, tmp_path / "cut")) == records(whole)


def test_root_sets() -> None:
    from strategies.server.root_training import draw

    train = load_splits(make().task.data).train
    balanced = draw(train, "balanced", 16, 0)
    assert np.bincount(train.group[balanced]).tolist() == [4, 4, 4, 4]
    assert len(draw(train, "natural", 20, 0)) == 20
    assert np.array_equal(draw(train, "natural", 20, 0), draw(train, "natural", 20, 0))
    with pytest.raises(FedgroupError, match="'a1' has 8: change root_size"):
        draw(train, "balanced", 40, 0)
    with pytest.raises(FedgroupError, match="exceeds the 80"):
        draw(train, "natural", 81, 0)


@pytest.mark.parametrize("rule", [{"use": "fedavgm"}, {"use": "fedadam"}])
def test_server_optimisers_leave_batchnorm_statistics_alone(rule: Any, tmp_path: Path) -> None:
    """Under server momentum a variance would turn negative (spec 1.4); here it is the clients' mean."""
    exp = make(federation__aggregator=rule, federation__rounds=6)
    last: list[Any] = []

    def collect(number: int, client: int, reply: Message) -> Message:
        if number == 6:
            last.append(reply.content.array_records[ARRAYS]["buffers"].numpy().copy())
        return reply

    folder = federate_with(collect, exp, tmp_path)
    assert np.allclose(arrays(folder)["buffers"], np.mean(last, 0), rtol=1e-5)
    assert (arrays(folder)["buffers"][4:] > 0).all()
