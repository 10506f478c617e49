"""Names of files made from names that people give: they stay in their folder and fit."""

import re
from pathlib import Path

import pytest

from fedgroup.host.file_names import file_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("demo", "demo"),
        ("audit-MiddleHalf", "audit-MiddleHalf"),
        ("my table ü", "my table ü"),
        ("..", "_-…"),
        (".", "_-…"),
        ("", "_-…"),
        ("-rf", "_rf-…"),
        ("a/b\\c\nd", "a-b-c-d-…"),
        ("CON", "_CON-…"),
        ("x" * 300, "x" * 120 + "-…"),
        ("🐦" * 80, "🐦" * 30 + "-…"),
    ],
)
def test_file_names(name: str, safe: str, tmp_path: Path) -> None:
    made = file_name(name)
    stem, digest = made[:-8], made[-8:]
    assert made == safe or (safe.endswith("…") and re.fullmatch("[0-9a-f]{8}", digest))
    assert made == safe or stem == safe[:-1]
    path = tmp_path / made / f"{made}.html"
    path.parent.mkdir()
    path.write_text("")
    assert path.parent.parent.resolve() == tmp_path.resolve()


def test_names_that_become_one_file_stay_two() -> None:
    assert file_name("a/b") != file_name("a:b")
    assert file_name("x" * 300) != file_name("x" * 301)
