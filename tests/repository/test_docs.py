"""The pages keep pace with the code: every component and setting is documented, every command line parses."""

import dataclasses
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from experiments.cli.app import app
from experiments.components.families import LISTED
from experiments.tables.load import load
from experiments.tables.shipped import table_names
from fedgroup.settings.overrides import parse_yaml
from fedgroup.spec import resolve, short_name
from tests.paths import ROOT

PAGES = {
    "data sets (task.data)": "docs/reference/data/*.md",
    "partitions (task.partition)": "docs/reference/partitions.md",
    "models (task.model)": "docs/reference/models.md",
    "attacks on samples (task.attack)": "docs/reference/attacks/*.md",
    "attacks on updates (federation.byzantine)": "docs/reference/attacks/*.md",
    "aggregation rules (federation.aggregator)": "docs/reference/rules/*.md",
    "centralized methods (method)": "docs/reference/methods/*.md",
}
"""Where the pages of each family lie: NAME.md, or a page with a heading NAME."""
GENERATED = {"docs/tutorial.md", "docs/reference/cli.md", "docs/reference/settings.md"}
"""Pages that exist in the site only; docs/_hooks makes them."""
SOURCE = "(?:fedgroup|strategies|clients|experiments|deploy|benchmarks|tests|docs)/"
FAMILIES = {f"{family.title} ({family.place})": family.names for family in LISTED}
"""Short names by what `fedgroup list` calls their family."""
COMPONENTS = [(family, name) for family, names in FAMILIES.items() for name in names]
TEXTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def section(name: str, files: list[Path]) -> str | None:
    """Text under the heading `name`: in NAME.md, where all of it is the default, or in any page."""
    for path in sorted(files, key=lambda path: path.stem != name):
        text = path.read_text(encoding="utf-8")
        heading = re.search(rf"^(#+) (?:{name}|.*`{name}`.*)$", text, re.MULTILINE)
        if heading:
            rest = text[heading.end() :]
            return re.split(rf"^#{{1,{len(heading[1])}}} ", rest, flags=re.MULTILINE)[0]
        if path.stem == name:
            return text
    return None


def documented(text: str) -> dict[str, str]:
    """Setting and default of every table row: | `setting`, ... | default | meaning |."""
    rows = [
        re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")
    ]
    return {
        name: row[1].strip()
        for row in rows
        if len(row) > 1
        for name in re.findall("`([^`]+)`", row[0])
    }


def settings(spec: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and default of every setting; a component inside counts with its short name."""
    for field in dataclasses.fields(spec):
        if field.init:
            value, known = getattr(spec, field.name), field.metadata.get("names")
            if known is not None:
                yield prefix + field.name, short_name(known, type(value))
            elif dataclasses.is_dataclass(value):
                yield from settings(value, f"{prefix}{field.name}.")
            else:
                yield prefix + field.name, value


def says(cell: str, default: Any) -> bool:
    """Whether a cell gives the default, as YAML in backticks; words alone stand for null.

    A component keeps options, which a user gives as a mapping, as pairs sorted by name.
    """
    quoted = re.match("`([^`]*)`", cell)
    if quoted is None:
        return default is None and bool(cell)
    said = parse_yaml(quoted[1], "a default")
    if isinstance(said, dict):
        said = [list(pair) for pair in sorted(said.items())]
    return bool(said == json.loads(json.dumps(default)))


def lacking(family: str, name: str) -> list[str]:
    """What the page of a component does not say, or says wrongly."""
    text = section(name, list(ROOT.glob(PAGES[family])))
    if text is None:
        return [f"no page or heading {name} in {PAGES[family]}"]
    found = documented(text)
    return [
        f"{setting}: the default is {default!r}, the page says {found.get(setting, 'nothing')}"
        for setting, default in settings(resolve(FAMILIES[family], name)())
        if setting not in found or not says(found[setting], default)
    ]


def too_long(text: str) -> list[int]:
    """Numbers of the lines over 100 columns that are no table, code or link."""
    fence, found = False, []
    for number, line in enumerate(text.splitlines(), 1):
        fence ^= line.startswith("```")
        free = fence or line.startswith(("|", "    ")) or re.search(r"\]\(|https?://", line)
        if len(line) > 100 and not free:
            found.append(number)
    return found


def test_every_family_has_its_pages() -> None:
    assert set(PAGES) == set(FAMILIES)


@pytest.mark.parametrize(("family", "name"), COMPONENTS)
def test_every_setting_stands_on_its_page_with_its_default(family: str, name: str) -> None:
    assert lacking(family, name) == []


def test_a_wrong_default_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n\n## one\n\n| `a`, `b` | `0.5` | x \\| y |\n| `c` | none | |\n\n## two\n\n| `d` | `1` | |\n"
    )
    found = documented(section("one", [page]) or "")
    assert found == {"a": "`0.5`", "b": "`0.5`", "c": "none"}
    assert says(found["a"], 0.5)
    assert not says(found["a"], 0.25)
    assert says(found["c"], None)
    assert not says(found["c"], 1)
    assert says("`[LRG-1, LRG-2]`", ("LRG-1", "LRG-2"))
    assert not says("`true`", "true")
    assert says("`{f: 2, a: 1}`", (("a", 1), ("f", 2)))
    assert not says("`{f: 2}`", (("f", 3),))
    assert section("three", [page]) is None


# --- command lines ------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, str]]:
    """Page and text of every `fedgroup ...` in a code block or between backticks."""
    for path in TEXTS:
        if path.name == "CHANGELOG.md":  # which names commands, and tells of the past
            continue
        text = path.read_text(encoding="utf-8")
        blocks = re.findall(r"^(?:    )?(fedgroup .*)$", text, re.MULTILINE)
        inline = re.findall(r"(?<!`)`(fedgroup [^`]+)`(?!`)", text)
        for line in dict.fromkeys([*blocks, *inline]):
            if not re.search(r"\.\.\.|…", line):
                yield path.name, " ".join(line.split())


def understood(line: str) -> tuple[str, dict[str, Any]]:
    """The command a line calls and its parameters; raises a usage error where it does not parse."""
    command: Any = get_command(app)
    context, words, name = None, shlex.split(line, comments=True)[1:], "fedgroup"
    while hasattr(command, "get_command"):
        context = command.context_class(command, info_name=name, parent=context)
        name, *words = words
        command = command.get_command(context, name)
        assert command is not None, f"there is no command {name}"
    return name, command.make_context(name, words, parent=context).params


@pytest.mark.parametrize(("page", "line"), list(commands()))
def test_every_command_line_parses_and_its_settings_exist(page: str, line: str) -> None:
    name, given = understood(line)
    if "my_" in line:
        return  # the reader's own module
    chosen, sets = given.get("data"), given.get("set_") or []
    if name == "list" and given["name"] is not None:
        assert any(given["name"] in known for known in FAMILIES.values())
    elif name == "show" and "columns" in given:  # data show
        attack = [f"task.attack={given['attack']}"] if given["attack"] else []
        load(
            "demo",
            data={"use": given["name"]},
            assignments=[*attack, *(f"task.attack.{set_}" for set_ in sets)],
        )
    elif given.get("table") in table_names():
        data = (
            None if chosen is None else {"use": chosen, **({"root": "."} if given["root"] else {})}
        )
        load(given["table"], given["scale"], None, data, sets, given["rule"] or [])


def test_a_wrong_option_is_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        understood("fedgroup run demo --sets a=1")
    with pytest.raises(AssertionError, match="no command"):
        understood("fedgroup rum demo")


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    missing = [
        to
        for to in targets
        if not to.startswith("http")
        and not (path.parent / to).exists()
        and (path.parent / to).resolve().relative_to(ROOT).as_posix() not in GENERATED
    ]
    assert missing == []


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_a_page_names_exist(path: Path) -> None:
    named = re.findall(rf"`({SOURCE}[^`\s]*)`", path.read_text(encoding="utf-8"))
    if path.name != "CHANGELOG.md":
        assert [n for n in named if not (ROOT / n.split("::")[0]).exists()] == []


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_fit_into_100_columns(path: Path) -> None:
    assert too_long(path.read_text(encoding="utf-8")) == []


def test_a_long_line_is_noticed() -> None:
    long = "word " * 21
    assert too_long(f"a\n{long}\n") == [2]
    assert too_long(f"- {long}\n") == [1]
    assert too_long(f"| {long} |\n\n    {long}\n\n```yaml\n{long}\n```\n") == []
    assert too_long(f"[{long}](page.md)\n") == []


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 110
