"""Labels as ids: equal numbers are one label, missing ones are refused, slips are warned of."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedgroup.data.label_column import label_ids
from fedgroup.data.metadata_text import Columns
from fedgroup.errors import FedgroupError


def ids(values: Sequence[str], path: Path = Path("m.csv")) -> tuple[list[int], tuple[str, ...]]:
    columns = Columns({"y": list(values)}, range(2, len(values) + 2))
    numbers, names = label_ids(columns, "y", path)
    return numbers.tolist(), names


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "0", "1.0"], ([1, 0, 1], ("0", "1"))),
        (["01", "2", "1"], ([0, 1, 0], ("1", "2"))),
        (["10", "9"], ([1, 0], ("9", "10"))),
        (["+1", "1e0", "0"], ([1, 1, 0], ("0", "1"))),
        (["100", "1e2", "0"], ([1, 1, 0], ("0", "100"))),
        (["-0", "0.0", "1"], ([0, 0, 1], ("0", "1"))),
        (["dog", "cat", "dog"], ([1, 0, 1], ("cat", "dog"))),
        (["²", "1"], ([1, 0], ("1", "²"))),
        (["none", "glasses"], ([1, 0], ("glasses", "none"))),
    ],
)
def test_equal_numbers_are_one_label(
    values: list[str], expected: object, caplog: pytest.LogCaptureFixture
) -> None:
    assert ids(values) == expected
    assert not caplog.records


@pytest.mark.parametrize("value", ["", "nan", "NaN", "NA", "N/A", "null", "<NA>"])
def test_a_missing_value_is_refused_with_its_row(value: str) -> None:
    what = f"'{value}', a missing value" if value else "empty"
    with pytest.raises(FedgroupError, match=f"line 3: y is {what}: write a label"):
        ids(["1", value, "0"])


@pytest.mark.parametrize(
    ("odd", "name"), [("1.5", "1.5"), ("-1", "-1"), ("1e9", "1000000000"), ("1000", "1000")]
)
def test_a_strange_number_is_one_warning_with_its_row(
    odd: str, name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        assert set(ids(["0", "1", odd, odd], tmp_path)[1]) == {"0", "1", name}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"line 4: y is {odd}, read as a label of its own; y has 3 labels" in record.message


@pytest.mark.parametrize(
    ("one", "two"), [("Cat", "cat"), ("1", "1.0"), ("land  bird", "land bird"), ("é", "e\u0301")]
)
def test_two_spellings_of_a_word_are_one_warning_with_both_rows(
    one: str, two: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    numbers, names = ids(["dog", one, two, one], tmp_path)
    assert len(set(numbers)) == len(names) == 3
    (record,) = caplog.records
    assert f"line 4: y is '{two}', and '{one}' in line 3: read as two labels" in record.message


@given(st.lists(st.integers(-50, 999), min_size=1, max_size=20))
def test_whole_numbers_keep_their_order_however_they_are_written(numbers: list[int]) -> None:
    forms = ("{}", "{}.0", "{}.", "{}e0")
    texts = [forms[i % len(forms)].format(number) for i, number in enumerate(numbers)]
    found, names = ids(texts)
    assert [int(name) for name in names] == sorted(set(numbers))
    assert [int(names[i]) for i in found] == numbers
