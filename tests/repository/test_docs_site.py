"""The documentation as a site: every page is in the navigation, made pages lack nothing, search needs no network."""

import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from typer.main import get_command

from experiments.cli.app import app
from fedgroup.task import Task
from strategies.federation import Federation
from tests.experiments.report.browser import CHROMIUM, Browser
from tests.paths import ROOT

DOCS = ROOT / "docs"
CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


def pages_module() -> ModuleType:
    """The hook that makes pages."""
    (hook,) = CONFIG["hooks"]
    spec = importlib.util.spec_from_file_location("generated_pages", ROOT / hook)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HOOK = pages_module()


class Config:
    """As much of mkdocs' configuration as the hook reads."""

    nav: Any = CONFIG["nav"]


def entries(nav: Any) -> Iterator[str]:
    """Every page of a navigation."""
    if isinstance(nav, str):
        yield nav
    else:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from entries(part)


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """The pages that the hook makes."""
    pages: dict[str, str] = HOOK.generated()
    return pages


def test_every_page_is_in_the_navigation_and_every_entry_is_a_page(made: dict[str, str]) -> None:
    written = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    named = list(entries(HOOK.on_config(Config).nav))
    assert len(named) == len(set(named))
    assert set(named) == written | set(made)
    assert not written & set(made)


def test_the_build_is_strict() -> None:
    assert CONFIG["strict"] is True
    assert {rule for part in CONFIG["validation"].values() for rule in part.values()} == {"warn"}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in makefile if "mkdocs build" in line]
    assert not {"-q", "--quiet"} & set(line.split())  # strict counts warnings, quiet drops them


def test_the_command_line_page_says_every_command_and_option(made: dict[str, str]) -> None:
    page = made["reference/cli.md"]
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    assert all(line.split("|")[3].strip() for line in lines), "a parameter without a meaning"
    command: Any = get_command(app)
    for path, leaf in HOOK.commands(command, "fedgroup"):
        section = page.split(f"## {path}\n")[1].split("\n## ")[0]
        for parameter in leaf.params:
            assert any(name in section for name in (*parameter.opts, parameter.human_readable_name))
    assert page.count("\n## ") == 13


def test_the_settings_page_says_every_setting(made: dict[str, str]) -> None:
    page = made["reference/settings.md"]
    for name in ("task.train.lr", "task.seed", "task.attackers.fraction", "federation.rounds"):
        assert f"| `{name}` |" in page
    wanted = [*HOOK.settings(Task(), "task."), *HOOK.settings(Federation(), "federation.")]
    assert all(row in page and row.split("|")[3].strip() for row in wanted)


def test_the_api_pages_have_every_public_module(made: dict[str, str]) -> None:
    text = "\n".join(made.values())
    for package in HOOK.PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if not path.stem.startswith("_"):
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                assert f"::: {name}\n" in text


def test_the_tutorial_page_has_the_notebook(made: dict[str, str]) -> None:
    assert made["tutorial.md"].count("```python\n") == 10
    assert made["tutorial.md"].startswith("# ")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_site_is_built_strictly_and_search_works_without_a_server(tmp_path: Path) -> None:
    commands = pytest.importorskip("mkdocs.commands.build")
    config = pytest.importorskip("mkdocs.config")
    site = tmp_path / "site"
    commands.build(config.load_config(str(ROOT / "mkdocs.yml"), site_dir=str(site)))
    browser = Browser(tmp_path / "profile")
    try:
        browser.open(site / "index.html")
        browser.run("document.querySelector('[data-md-component=search-query]').focus()")
        browser.run(
            "(() => { const field = document.querySelector('[data-md-component=search-query]');"
            "field.value = 'centred clipping'; field.dispatchEvent(new Event('keyup')) })()"
        )
        found: list[str] = []
        for _ in range(100):
            found = browser.run(
                "[...document.querySelectorAll('.md-search-result__link')].map((a) => a.pathname)"
            )
            if found:
                break
            time.sleep(0.1)
        assert any(path.endswith("reference/rules/centred_clipping.html") for path in found)
        assert browser.problems == []
        assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []
    finally:
        browser.close()
