"""The reader of settings and the id, for settings that nobody thought of."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.experiment import Experiment
from experiments.tables.load import load
from fedgroup.errors import FedgroupError
from fedgroup.identity.settings_id import settings_id
from fedgroup.settings.overrides import merge, parse_yaml
from fedgroup.settings.settings_cache import settings_key
from fedgroup.spec import build, component, to_dict

NAMES = {
    "one": "tests.fedgroup.identity.test_identity_properties:One",
    "two": "tests.fedgroup.identity.test_identity_properties:Two",
}
EXAMPLES = settings(max_examples=25, deadline=None)
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
)
ANY = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=4,
)
NUMBERS = st.one_of(st.integers(-9, 9), st.floats(-9, 9).map(lambda x: round(x, 3)))


@dataclass(frozen=True)
class One:
    count: int = 1
    share: float = 0.5
    either: int | float = 2
    word: str = ""
    free: Any = None


@dataclass(frozen=True)
class Two:
    flag: bool = False
    inner: Any = component(NAMES, "one")


@dataclass(frozen=True)
class Part:
    a: Any = component(NAMES, "one")
    b: Any = component(NAMES, "two")
    one: One = field(default_factory=One)


ONE = st.fixed_dictionaries(
    {},
    optional={
        "count": st.integers(-9, 9),
        "share": NUMBERS,
        "either": NUMBERS,
        "word": st.text(max_size=5),
        "free": ANY,
    },
)
TWO = st.fixed_dictionaries(
    {"use": st.just("two")},
    optional={"flag": st.booleans(), "inner": ONE.map(lambda s: {"use": "one", **s})},
)
COMPONENT = st.one_of(ONE.map(lambda s: {"use": "one", **s}), TWO)
PARTS = st.fixed_dictionaries({}, optional={"a": COMPONENT, "b": COMPONENT, "one": ONE})


def name(values: dict[str, Any]) -> str:
    return settings_id({"part": build(Part, values)})


def turned(value: Any) -> Any:
    """The same mapping with all keys in the opposite order."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return [turned(item) for item in value] if isinstance(value, list) else value


@EXAMPLES
@given(PARTS)
def test_settings_read_back_as_they_are(values: dict[str, Any]) -> None:
    part = build(Part, values)
    for defaults in (True, False):
        stored = json.loads(json.dumps(to_dict(part, defaults)))
        again = build(Part, stored)
        assert settings_key(again) == settings_key(part)
        assert name(stored) == settings_id({"part": part})


@EXAMPLES
@given(PARTS)
def test_order_of_keys_does_not_count(values: dict[str, Any]) -> None:
    assert name(turned(values)) == name(values)


@EXAMPLES
@given(PARTS, PARTS)
def test_equal_ids_are_equal_settings(one: dict[str, Any], two: dict[str, Any]) -> None:
    """Types count: 1, 1.0 and True are three settings where a component takes all of them."""
    same = settings_key(build(Part, one)) == settings_key(build(Part, two))
    assert (name(one) == name(two)) == same


@EXAMPLES
@given(PARTS, st.sampled_from(["a", "b"]), st.sampled_from(["count", "either", "word", "free"]))
def test_one_changed_setting_is_another_id(values: dict[str, Any], key: str, leaf: str) -> None:
    values = merge(values, {key: {"use": "one"}})
    before = build(Part, values)
    held = getattr(getattr(before, key), leaf)
    other = f"{held}x" if isinstance(held, str) else 7 if held != 7 else 8
    assert name(merge(values, {key: {leaf: other}})) != name(values)


@EXAMPLES
@given(PARTS, st.text(min_size=1, max_size=6), ANY)
def test_what_is_not_a_setting_is_refused_in_one_line(
    values: dict[str, Any], key: str, value: Any
) -> None:
    if key in ("a", "b", "one"):
        return
    with pytest.raises(FedgroupError) as caught:
        build(Part, {**values, key: value})
    assert caught.value.args


@EXAMPLES
@given(st.sampled_from(["count", "share", "either", "word"]), ANY)
def test_a_value_is_read_exactly_or_refused(leaf: str, value: Any) -> None:
    wanted: dict[str, tuple[type, ...]] = {
        "count": (int,),
        "share": (int, float),
        "either": (int, float),
        "word": (str,),
    }
    fits = type(value) in wanted[leaf]
    try:
        read = getattr(build(One, {leaf: value}), leaf)
    except FedgroupError:
        assert not fits or abs(value) > 2**53, value  # a float cannot hold every whole number
    else:
        assert fits and read == value
        assert isinstance(read, wanted[leaf] if leaf == "either" else wanted[leaf][-1])


# --- YAML -----------------------------------------------------------------------------------------

TABLE = """
title: T
base:
  task: {attack_seed: 3, train: {lr: 0.05, epochs: 2}}
  federation: {rounds: 7, fraction: 0.5}
rows:
  - {label: {METHOD: Krum}, set: {federation: {aggregator: {use: krum, f: 1}}}}
"""
SAME = """
# what this is
title:    "T"

rows:
- label:
    METHOD: Krum        # a rule
  set:
    federation:
        aggregator:

            f: 1
            use: 'krum'
base:
  federation:
    fraction: 5e-1
    rounds: 7
  task: { train: {epochs: 2,   lr: 0.05}, "attack_seed": 3 }
"""


def test_comments_order_quotes_and_spaces_of_a_table_do_not_count(tmp_path: Path) -> None:
    for folder, text in (("a", TABLE), ("b/c", SAME), ("d", TABLE.replace("\n", "\r\n"))):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "t.yaml").write_bytes(text.encode())
    tables = [load(str(tmp_path / folder / "t.yaml")) for folder in ("a", "b/c", "d")]
    ids = [[run.id for run in table.experiments()] for table in tables]
    assert ids[0] == ids[1] == ids[2]
    spec = {
        "task": {"attack_seed": 3, "train": {"lr": 0.05, "epochs": 2}},
        "federation": {"rounds": 7, "fraction": 0.5, "aggregator": {"use": "krum", "f": 1}},
    }
    assert ids[0] == [Experiment.of(spec).id]


@EXAMPLES
@given(PARTS.filter(lambda p: "\\ud" not in json.dumps(p)))
def test_json_is_yaml(values: dict[str, Any]) -> None:
    """Settings that a program writes as JSON are those that a person writes as YAML."""
    text = json.dumps(values, indent=2)
    assert settings_key(parse_yaml(text, "it")) == settings_key(values)
