"""Names that people give: what is refused, and that all else is a name."""

import numpy as np
import pytest
import torch

from experiments.tables.table import Row
from fedgroup.dataset import GroupedDataset, GroupInfo
from fedgroup.errors import FedgroupError
from fedgroup.guards.names import check_names, check_text


@pytest.mark.parametrize(
    "text", ["a $x$ <b>|\\", "two\nlines\tand a tab", "🐦 שלום عربي", "é e\u0301", "n" * 200, ""]
)
def test_any_text_that_shows_is_fine(text: str) -> None:
    assert check_text(text, "label") == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("red\x1b[31m", "U+001B at place 4"),
        ("a\x00", "U+0000"),
        ("back\b", "U+0008"),
        ("12.3\u202e", "U+202E at place 5"),
        ("\u2066x", "U+2066"),
        ("half \ud83d", "U+D83D"),
        ("a\rb", "U+000D"),
    ],
)
def test_what_changes_how_the_rest_is_shown_is_refused(text: str, code: str) -> None:
    with pytest.raises(
        FedgroupError, match=rf"label '.*' holds the character {code.replace('+', '.')}"
    ):
        check_text(text, "label")
    with pytest.raises(FedgroupError, match=code[2:6]):
        Row({"METHOD": text}, (), ())


def test_names_are_one_each() -> None:
    check_names(("a", "b", "A"), "group")
    with pytest.raises(FedgroupError, match="group 'a' occurs twice"):
        check_names(("a", "b", "a"), "group")
    with pytest.raises(FedgroupError, match="group ' ' is empty"):
        check_names(("a", " "), "group")


def info(**changes: object) -> GroupInfo:
    values: dict[str, object] = {
        "name": "d",
        "classes": ("a", "b", "c"),
        "groups": ("a0", "a1", "b0", "b1", "c0", "c1"),
        "tiers": {"LRG-1": (2,)},
    }
    return GroupInfo(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": ("a0", "a1", "a0", "b1", "c0", "c1")}, "d: group 'a0' occurs twice"),
        ({"groups": ("a0", "a1", "b0", "b1", "c0")}, r"5 groups of 3 classes: a group is A\*y"),
        ({"classes": ()}, "6 groups of 0 classes"),
        ({"tiers": {"poisons": (2,)}}, "d: tier 'poisons' occurs twice"),
        ({"tiers": {"HRG same class": (2,)}}, "tier 'HRG same class' occurs twice"),
        ({"name": "d\x1b"}, "the name of a data set"),
        ({"groups": ("a0\u202e", "a1", "b0", "b1", "c0", "c1")}, "d: group '.*' holds .* U.202E"),
    ],
)
def test_a_data_set_names_each_part_once(changes: dict[str, object], message: str) -> None:
    with pytest.raises(FedgroupError, match=message):
        info(**changes)


def test_a_sample_in_a_group_of_another_class_is_refused_by_its_number() -> None:
    bank, row = torch.zeros(1, 1, 1, 3, dtype=torch.uint8), np.zeros(4, np.int64)
    group = np.array([0, 3, 4, 5])
    good = GroupedDataset.clean(bank, row, group // 2, group, info())
    assert good.y.tolist() == [0, 1, 2, 2]
    with pytest.raises(
        FedgroupError, match=r"d: sample 1 has class 0 and group 3, and 1 more do not fit: .*2\*y"
    ):
        GroupedDataset.clean(bank, row, np.array([0, 0, 0, 2]), group, info())
