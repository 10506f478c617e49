"""Settings as text: YAML 1.2, dotted assignments, one mapping over another."""

import math
from pathlib import Path

import pytest

from fedgroup.errors import FedgroupError
from fedgroup.settings.overrides import (
    depth,
    leaves,
    merge,
    override,
    overrides,
    parse_yaml,
    read_yaml,
    settings_of,
)


@pytest.mark.parametrize(
    ("text", "value"), [("1e-5", 1e-5), ("1.0e-5", 1e-5), ("-2E3", -2000.0), ("3", 3), (".5", 0.5)]
)
def test_yaml_reads_floats_as_yaml_1_2(text: str, value: float) -> None:
    assert parse_yaml(text, "x") == value
    assert type(parse_yaml(text, "x")) is type(value)
    assert math.isinf(parse_yaml(".inf", "x"))
    assert parse_yaml("1.2.3", "x") == "1.2.3"
    assert parse_yaml("12:30:45", "x") == "12:30:45"


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


@pytest.mark.parametrize("text", ["task.data=", "task.data= ", "task.data=\t"])
def test_an_empty_value_is_refused(text: str) -> None:
    with pytest.raises(FedgroupError, match=r"gives no value \(an empty shell variable\?\)"):
        override(text)
    assert override('a.b=""') == {"a": {"b": ""}}
    assert override("a.b=null") == {"a": {"b": None}}


@pytest.mark.parametrize("text", ["=1", ".a=1", "a..b=1", "a.=1", " = 1"])
def test_an_empty_key_is_refused(text: str) -> None:
    with pytest.raises(FedgroupError, match=r"path\.to\.setting=value"):
        override(text)


def test_one_setting_with_two_values_is_refused() -> None:
    assert overrides(["a.b=1", "a.b=1"]) == {"a": {"b": 1}}
    for pair in (
        ["a.b=1", "a.b=2"],
        ["a.b=1", "a.b=1.0"],
        ["a={b: 1}", "a.b=2"],
        ["a.b=x", "a.b.use=y"],
    ):
        with pytest.raises(FedgroupError, match=r"give a\.b.* two values: keep one"):
            overrides(pair)
    assert overrides(["a.b=x", "a.b.use=x"]) == {"a": {"b": {"use": "x"}}}


def test_the_order_of_assignments_loses_none() -> None:
    pair = ["agg.trim=1", "agg=trimmed_mean"]
    for order in (pair, pair[::-1]):
        assert overrides(order) == {"agg": {"use": "trimmed_mean", "trim": 1}}


def test_leaves_name_every_setting_once() -> None:
    nested = {"a": {"b": 1, "c": {}}, "d": [1, {"e": 2}], "f": None}
    assert leaves(nested) == [("a.b", 1), ("a.c", {}), ("d", [1, {"e": 2}]), ("f", None)]


def test_a_file_that_is_not_utf_8_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_bytes("title: é".encode("latin-1"))
    with pytest.raises(FedgroupError, match=r"t\.yaml is not UTF-8 text \(byte 8\)"):
        read_yaml(path)
    path.write_bytes("\ufefftitle: é\r\nnote: x\r\n".encode())
    assert read_yaml(path) == {"title": "é", "note": "x"}


def test_settings_of_a_component_do_not_choose_another() -> None:
    assert settings_of("krum", ["f=2", "use=krum"]) == {"f": 2}
    with pytest.raises(FedgroupError, match="'krum' and --set use=median name two components"):
        settings_of("krum", ["use=median"])


def test_use_after_its_settings_keeps_them() -> None:
    pair = ["a.agg.trim=1", "a.agg.use=trimmed_mean"]
    for order in (pair, pair[::-1]):
        assert overrides(order) == {"a": {"agg": {"use": "trimmed_mean", "trim": 1}}}
    assert [depth(path) for path in ("a.agg.use", "a.agg", "a.agg.trim")] == [1, 1, 2]
