"""Which replies are admitted: each check alone, and in a run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import Message

from fedgroup.errors import FedgroupError
from fedgroup.layout import Layout, read
from fedgroup.runs.run_directory import read_lines
from fedgroup.update import ARRAYS, METRICS, Update
from strategies.cohort_schedule import schedule
from strategies.server.admission import admit, finite
from tests.strategies.server.runs import (
    arrays,
    federate_with,
    make,
    replace_array,
    spoil_theta,
)
from tests.toy import ToyNet

NET = ToyNet(2)
LAYOUT = Layout.of(NET)
GOOD = read(NET)


def reply(**changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    arrays: dict[str, Any] = {name: array.copy() for name, array in GOOD.arrays().items()}
    metrics: dict[str, Any] = {
        "partition-id": 3,
        "num-examples": 48,
        "loss": 0.5,
        "train_loss": 0.5,
        "groups": [40, 4, 1, 3],
        "seconds": 1.5,
    }
    for key, value in changes.items():
        name = key.replace("_", "-")
        if key in ("drop", "add", "theta", "buffers", "counters"):
            if key == "drop":
                del arrays[value]
            elif key == "add":
                arrays[value] = np.zeros(1)
            else:
                arrays[key] = value
        else:
            metrics[name] = value
    return arrays, metrics


def test_a_good_reply_round_trips() -> None:
    arrays, metrics = reply()
    update = admit(arrays, metrics, LAYOUT, None, GOOD)
    assert (update.client, update.examples, update.loss, update.groups) == (
        3,
        48,
        0.5,
        (40, 4, 1, 3),
    )
    assert update.metrics() == metrics
    assert np.array_equal(update.weights.theta, GOOD.theta)


def spoiled(name: str, value: float) -> Any:
    array = GOOD.arrays()[name].copy()
    array[5] = value
    return array


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"theta": spoiled("theta", np.nan)}, "theta holds 1 NaN or infinite"),
        ({"theta": spoiled("theta", np.inf)}, "theta holds 1 NaN or infinite"),
        ({"buffers": spoiled("buffers", -np.inf)}, "buffers holds 1 NaN"),
        ({"buffers": spoiled("buffers", -0.5)}, "running variance is negative"),
        ({"theta": GOOD.theta[:-1]}, r"theta has shape \(125,\), expected \(126,\)"),
        ({"theta": GOOD.theta.reshape(2, 63)}, "theta has shape"),
        ({"theta": GOOD.theta.astype(np.float64)}, "dtype float64, expected float32"),
        ({"counters": GOOD.counters.astype(np.float32)}, "counters has dtype"),
        ({"drop": "buffers"}, "expected"),
        ({"add": "extra"}, "extra"),
        ({"num_examples": 0}, "num-examples is 0"),
        ({"num_examples": -5}, "num-examples is -5"),
        ({"num_examples": float("nan")}, "num-examples is nan"),
        ({"num_examples": 1.5}, "num-examples is 1.5"),
        ({"num_examples": "many"}, "num-examples is 'many'"),
        ({"num_examples": True}, "num-examples is True"),
    ],
)
def test_bad_replies_are_refused_whole(changes: dict[str, Any], words: str) -> None:
    arrays, metrics = reply(**changes)
    with pytest.raises(FedgroupError, match=words):
        admit(arrays, metrics, LAYOUT, None, GOOD)


def test_norm_bound() -> None:
    far = GOOD.theta + np.float32(1)
    arrays, metrics = reply(theta=far)
    assert isinstance(admit(arrays, metrics, LAYOUT, 12.0, GOOD), Update)  # sqrt(126) = 11.2
    with pytest.raises(FedgroupError, match=r"norm 11\.22 exceeds the bound 11"):
        admit(arrays, metrics, LAYOUT, 11.0, GOOD)


def test_finite_sees_every_position() -> None:
    array = np.zeros((1 << 20) + 3, np.float32)
    assert finite(array)
    for position in (0, (1 << 20) - 1, 1 << 20, (1 << 20) + 2):
        for value in (np.nan, np.inf, -np.inf):
            spoilt = array.copy()
            spoilt[position] = value
            assert not finite(spoilt)


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


def test_max_norm_bounds_a_single_client(tmp_path: Path) -> None:
    exp = make(federation__max_norm=5.0, federation__rounds=1)
    victim = int(schedule(0, 8, 0.5, 1)[0][0])

    def meddle(number: int, client: int, reply: Message) -> Message:
        return replace_array(reply, "theta", lambda a: a + 1) if client == victim else reply

    (row,) = read_lines(federate_with(meddle, exp, tmp_path), "rounds")[1]["refused"]
    assert row["client"] == victim
    assert "exceeds the bound 5" in row["reason"]


def test_a_buffer_may_be_not_finite_where_the_server_sent_it_so() -> None:
    net = ToyNet(2)
    net.register_buffer("mask", torch.tensor([0.0, -np.inf, np.nan]))
    layout, sent = Layout.of(net), read(net)
    metrics = reply()[1]

    def buffers(*mask: float) -> dict[str, Any]:
        own = sent.buffers.copy()
        own[:3] = mask  # a buffer of the model itself comes first
        return {**sent.arrays(), "buffers": own}

    admit(buffers(0, -np.inf, np.nan), metrics, layout, None, sent)
    admit(buffers(0, 1, 1), metrics, layout, None, sent)
    for mask, count in (((0, np.inf, 1), 1), ((-np.inf, -np.inf, -np.inf), 2), ((np.nan,) * 3, 2)):
        with pytest.raises(FedgroupError, match=f"buffers holds {count} NaN or infinite"):
            admit(buffers(*mask), metrics, layout, None, sent)


@pytest.mark.parametrize("groups", [[1.5], [-1], [float("nan")], "many", [True], 1e400])
def test_groups_that_are_no_counts_are_refused(groups: Any) -> None:
    arrays, metrics = reply(groups=groups)
    with pytest.raises(FedgroupError, match="groups is"):
        admit(arrays, metrics, LAYOUT, None, GOOD)
