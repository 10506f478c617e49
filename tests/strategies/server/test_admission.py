from typing import Any

import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from fedgroup.layout import Layout, read
from fedgroup.update import Update, admit, finite
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
    update = admit(arrays, metrics, LAYOUT, None, GOOD.theta)
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
        admit(arrays, metrics, LAYOUT, None, GOOD.theta)


def test_norm_bound() -> None:
    far = GOOD.theta + np.float32(1)
    arrays, metrics = reply(theta=far)
    assert isinstance(admit(arrays, metrics, LAYOUT, 12.0, GOOD.theta), Update)  # sqrt(126) = 11.2
    with pytest.raises(FedgroupError, match=r"norm 11\.22 exceeds the bound 11"):
        admit(arrays, metrics, LAYOUT, 11.0, GOOD.theta)


def test_finite_sees_every_position() -> None:
    array = np.zeros((1 << 20) + 3, np.float32)
    assert finite(array)
    for position in (0, (1 << 20) - 1, 1 << 20, (1 << 20) + 2):
        for value in (np.nan, np.inf, -np.inf):
            spoilt = array.copy()
            spoilt[position] = value
            assert not finite(spoilt)
