"""Public functions say what they take and give: Google style, shapes and errors where there are any."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import ROOT
from tests.repository.test_limits import Function, parameters

PACKAGES = ("fedgroup", "strategies", "clients", "experiments", "deploy")
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
OF_A_PROTOCOL = {
    *("init", "step", "influence", "min_clients", "rejected"),  # aggregation rule
    *("forge", "deltas"),  # attack on updates
    *("poison", "success"),  # attack on samples
    *("run", "load", "assign", "build"),  # method, data set, partition, model, probe
    *("applies", "draw"),  # figure
}
"""Methods whose arguments are documented once, at the Protocol of their family."""
FLOWER = {"configure_train", "aggregate_train", "configure_evaluate", "aggregate_evaluate"}
"""Methods that Flower's own Strategy documents."""
NO_DOCUMENT = re.compile(
    r"\bspec (?:\d|[a-z_]+ (?:\d+\.\d|[A-Z]\d)|(?:federated|attacks|group_methods)\b)"
)
"""A section of a document that is not in the repository: spec 6.1, spec attacks A13."""


def public(tree: ast.Module) -> Iterator[tuple[str, Function, bool]]:
    """Name, node and whether it implements a Protocol, of every public function and method."""
    for node in tree.body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node.name, node, node.name in {"applies", "draw"}
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            protocol = any("Protocol" in ast.unparse(base) for base in node.bases)
            for member in node.body:
                if isinstance(member, Function) and not member.name.startswith("_"):
                    implements = not protocol and member.name in OF_A_PROTOCOL | FLOWER
                    yield f"{node.name}.{member.name}", member, implements


def lacks(name: str, function: Function, implements: bool) -> list[str]:
    """What the docstring of a function does not say."""
    text = ast.get_docstring(function) or ""
    if implements or is_overload(function) or parameters(function) <= 2:
        return []
    asked = function.args
    names = [a.arg for a in (*asked.posonlyargs, *asked.args, *asked.kwonlyargs)]
    section = re.search(r"^Args:\n((?:[ ]{4}.*\n?|\n)+)", text, re.MULTILINE)
    if section is None:
        return [f"{name}: no Args"]
    told = re.findall(r"^ {4}\*{0,2}([\w, *]+?)(?: \([^)]*\))?:", section[1], re.MULTILINE)
    words = {word.strip(" *") for line in told for word in line.split(",")}
    out = [f"{name}: {n} is not told" for n in names if n not in {"self", "cls", *words}]
    gives = function.returns is not None and ast.unparse(function.returns) not in {"None", "Never"}
    if gives and not re.search(r"^(Returns|Yields):", text, re.MULTILINE):
        out.append(f"{name}: no Returns")
    raised = {ast.unparse(n.exc) for n in ast.walk(function) if isinstance(n, ast.Raise) and n.exc}
    if (
        any(what.startswith(("FedgroupError", "unknown(")) for what in raised)
        and "Raises:" not in text
    ):
        out.append(f"{name}: no Raises")
    return out


def is_overload(function: Function) -> bool:
    """A signature for the type checker alone, or a command whose options say it."""
    return any(
        "command" in ast.unparse(d) or "overload" in ast.unparse(d) for d in function.decorator_list
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_functions_say_what_they_take(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [line for entry in public(tree) for line in lacks(*entry)] == []


def test_no_document_is_named_that_is_not_here() -> None:
    named = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in [*FILES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "docs").rglob("*.md")]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if NO_DOCUMENT.search(line) and path.name != Path(__file__).name
    ]
    assert named == []


def test_a_document_is_told_from_code() -> None:
    named = ["(spec federated 2.4)", "spec 6.1", "spec attacks A13", "spec group_methods 1.2"]
    code = ["json.loads(spec)", "fields(spec):", "def now(spec: dict)", "(spec or {})", "(spec, 1)"]
    assert [text for text in [*named, *code] if NO_DOCUMENT.search(text)] == named


def test_what_is_lacking_is_noticed() -> None:
    text = '''
def f(a, b, c) -> int:
    """Do it.

    Args:
        a: One.
        b, c: Others.

    Returns:
        It.
    """
    return 1

def g(a, b, c) -> int:
    """Do it.

    Args:
        a: One.
        b: Two.
    """
    raise FedgroupError("no")
'''
    found = [line for entry in public(ast.parse(text)) for line in lacks(*entry)]
    assert found == ["g: c is not told", "g: no Returns", "g: no Raises"]
