"""Settings as text: YAML 1.2, dotted assignments, one mapping over another."""

import math

import pytest

from fedgroup.errors import FedgroupError
from fedgroup.overrides import merge, override, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"), [("1e-5", 1e-5), ("1.0e-5", 1e-5), ("-2E3", -2000.0), ("3", 3), (".5", 0.5)]
)
def test_yaml_reads_floats_as_yaml_1_2(text: str, value: float) -> None:
    assert parse_yaml(text, "x") == value
    assert type(parse_yaml(text, "x")) is type(value)
    assert math.isinf(parse_yaml(".inf", "x"))
    assert parse_yaml("1.2.3", "x") == "1.2.3"
    assert parse_yaml("12:30:45", "x") is not None


def test_override_and_merge() -> None:
    assert override("task.train.lr=1e-3") == {"task": {"train": {"lr": 1e-3}}}
    low = {"agg": {"use": "trimmed_mean", "trim": 3}, "rounds": 5}
    assert merge(low, {"agg": {"trim": 1}})["agg"] == {"use": "trimmed_mean", "trim": 1}
    assert merge(low, {"agg": "median"})["agg"] == {"use": "median"}  # the other rule's settings go
    assert merge(low, {"agg": {"use": "median"}})["agg"] == {"use": "median"}
    assert merge(low, {"agg": {"use": "trimmed_mean"}})["agg"] == {"use": "trimmed_mean", "trim": 3}
    assert merge({"agg": "trimmed_mean"}, {"agg": {"trim": 1}})["agg"] == {
        "use": "trimmed_mean",
        "trim": 1,
    }
    with pytest.raises(FedgroupError, match="path.to.setting=value"):
        override("task.train.lr")
    with pytest.raises(FedgroupError, match="not valid YAML"):
        override("a=[1,")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("no", "no"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("1e-5", 1e-5),
        ("null", None),
    ],
)
def test_plain_words_are_read_as_yaml_1_2_reads_them(text: str, value: object) -> None:
    assert parse_yaml(text, "here") == value and type(parse_yaml(text, "here")) is type(value)
