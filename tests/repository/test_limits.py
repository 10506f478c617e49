"""What a file and a function may hold: 250 lines, 40 lines of code, 100 columns, 9 parameters."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import ROOT

PRODUCT = ("fedgroup", "strategies", "clients", "experiments", "deploy", "benchmarks")
FILE_LINES, FUNCTION_LINES, COLUMNS, PARAMETERS = 250, 40, 100, 9
FILES = [path for package in PRODUCT for path in sorted((ROOT / package).rglob("*.py"))]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(text: str) -> Iterator[Function]:
    """Every function of a module, nested ones too."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function):
            yield node


def code_lines(function: Function) -> int:
    """Lines from `def` to the end, less those of the docstring."""
    whole = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        whole -= (first.end_lineno or first.lineno) - first.lineno + 1
    return whole


def parameters(function: Function) -> int:
    """Named parameters, less self and cls."""
    asked = function.args
    names = [a.arg for a in (*asked.posonlyargs, *asked.args, *asked.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def is_command(function: Function) -> bool:
    """A typer command: its parameters are the options of the command line."""
    return any(
        isinstance(d, ast.Call) and isinstance(d.func, ast.Attribute) and d.func.attr == "command"
        for d in function.decorator_list
    )


def excesses(text: str) -> list[str]:
    """What of a module's text is over a limit."""
    lines = text.splitlines()
    over = [f"{len(lines)} lines, at most {FILE_LINES}"] if len(lines) > FILE_LINES else []
    over += [
        f"line {number} has {len(line)} columns, at most {COLUMNS}"
        for number, line in enumerate(lines, 1)
        if len(line) > COLUMNS
    ]
    for function in functions(text):
        where = f"{function.name} (line {function.lineno})"
        if code_lines(function) > FUNCTION_LINES:
            over.append(f"{where}: {code_lines(function)} lines of code, at most {FUNCTION_LINES}")
        if parameters(function) > PARAMETERS and not is_command(function):
            over.append(f"{where}: {parameters(function)} parameters, at most {PARAMETERS}")
    return over


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_is_over_a_limit(path: Path) -> None:
    assert excesses(path.read_text(encoding="utf-8")) == []


def test_an_excess_is_noticed() -> None:
    names = ", ".join(f"p{i}" for i in range(10))
    body = "\n".join(f"    x = {i}" for i in range(40))
    text = f'def f({names}):\n    """One.\n\n    Two.\n    """\n{body}\n# {"x" * 99}\n'
    assert len(excesses(text)) == 3
    assert len(excesses("\n".join(["x = 1"] * 251))) == 1
    assert excesses(f"def f(self, {', '.join(f'p{i}' for i in range(9))}):\n    pass\n") == []
    assert excesses(f"@app.command('x')\ndef f({names}):\n    pass\n") == []


def test_other_text_files_keep_the_columns() -> None:
    kept = subprocess.run(
        ["git", "ls-files", "*.yaml", "*.yml", "*.sh", "*.css", "*.js", "Makefile", "Dockerfile"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    over = [
        f"{name}:{number}"
        for name in kept
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > COLUMNS
    ]
    assert over == []
