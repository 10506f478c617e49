"""docs/explanation/trust.md names tests that exist."""

import ast
import re

import pytest

from tests.paths import ROOT

PAGE = (ROOT / "docs" / "explanation" / "trust.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[^`]+)`", PAGE)))


def test_every_row_names_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "|---" not in line]
    without = [row for row in rows if "`tests/" not in row and "what could change" not in row]
    assert without == []


@pytest.mark.parametrize("name", NAMED)
def test_a_named_test_exists(name: str) -> None:
    file, _, function = name.partition("::")
    path = ROOT / file
    assert path.exists(), file
    if function and path.suffix == ".py":
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        wanted = function.split("[")[0].rstrip("…*")
        assert any(name == wanted or name.startswith(wanted) for name in functions), function
