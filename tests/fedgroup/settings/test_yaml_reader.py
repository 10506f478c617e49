"""YAML 1.2's core schema: what 1.1 read as something else is plain, a key that stands twice refused."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedgroup.errors import FedgroupError
from fedgroup.settings.overrides import parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("012", 12),
        ("-007", -7),
        ("0o14", 12),
        ("0x1F", 31),
        ("+3", 3),
        ("1:30", "1:30"),
        ("1:30.5", "1:30.5"),
        ("1_000", "1_000"),
        ("1_000.5", "1_000.5"),
        ("0b11", "0b11"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01 10:00:00", "2024-01-01 10:00:00"),
        ("on", "on"),
        ("Off", "Off"),
        ("YES", "YES"),
        ("No", "No"),
        ("=", "="),
        ("1.", 1.0),
        ("-.INF", -math.inf),
        ("~", None),
        ("", None),
        ("NULL", None),
        ("nULL", "nULL"),
        ("'012'", "012"),
        ('"null"', "null"),
    ],
)
def test_plain_values_are_read_as_the_core_schema_says(text: str, value: object) -> None:
    for read in (parse_yaml(text, "x"), parse_yaml(f"a: {text}", "x")["a"]):
        assert read == value and type(read) is type(value)


def test_every_spelling_of_nan_is_a_number() -> None:
    for text in (".nan", ".NaN", ".NAN"):
        assert math.isnan(parse_yaml(text, "x"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: 2\na: 3", 3),
        ("a: 1\na: 1", 2),
        ("t:\n  x: {k: 1,\n    k: 2}", 3),
        ("- {a: 1}\n- b:\n    c:\n      - {d: 1, e: 2, d: 3}", 4),
        ("1: a\n'1': b", 2),
        ("x: &x {k: 1}\ny:\n  <<: *x\n  <<: *x", 4),
    ],
)
def test_a_key_that_stands_twice_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(FedgroupError, match=rf"table\.yaml, line {line} .*stands twice, first in"):
        parse_yaml(text, "table.yaml")


@pytest.mark.parametrize(
    "text",
    ["a: &a [*a]", "a: &a {b: *a}", "--- 1\n--- 2", "a: [1", "{[1]: 2}", "!!int 1_0", "9" * 200,
     "a\tb: 1\n\tc: 2", "!!python/object:os.system x", "\x00", "[" * 1200, r'"\ud800"'],
)  # fmt: skip
def test_what_is_no_yaml_is_one_line(text: str) -> None:
    with pytest.raises(FedgroupError, match="here") as caught:
        parse_yaml(text, "here")
    assert "\n" not in str(caught.value)


def test_a_merged_mapping_gives_way_to_the_keys_beside_it() -> None:
    text = "x: &x {k: 1, m: 2}\ny: {k: 3, <<: *x}"
    assert parse_yaml(text, "here")["y"] == {"k": 3, "m": 2}


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(min_codepoint=97, max_codepoint=122), max_size=5),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(PLAIN)
def test_json_is_read_as_itself(value: object) -> None:
    assert parse_yaml(json.dumps(value), "x") == value
