"""The page in a real headless Chromium: sorting, keyboard, themes, a phone, print, no errors, no network."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.report.columns import Cell, Column
from experiments.report.html import Picture, Section, page
from experiments.report.provenance import Provenance
from tests.experiments.report.browser import CHROMIUM, Browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
COLUMNS = [
    Column("METHOD", "label", "METHOD"), Column("WGA", "value", "wga"), Column("WGA", "drop", "wga"),
    *(Column(f"WGA {i}", "paper", "WGA") for i in range(8)), Column("notes", "notes", ""),
]  # fmt: skip
NAMES = {"Median": 9.5, "FedAvg": 100.0, "<b>Krum</b>": None, "Trimmed & mean": -20.25}


def section(name: str) -> Section:
    rows = [
        [
            Cell(label),
            Cell("not run" if value is None else f"{value:.1f} ± 1.0", value),
            Cell("1.0", 1.0, (-1.0, 3.0)),
            *(Cell("12.3 ± 4.5", 12.3) for _ in range(8)),
            Cell("no headroom"),
        ]
        for label, value in NAMES.items()
    ]
    run = Provenance(
        "0123456789ab",
        "Median",
        0,
        "task:\n  seed: 0\n" + "  x: " + "long " * 60,
        "torch 2.0",
        "abc",
        "cpu",
        "Linux",
        1,
        "2026",
        3.0,
    )
    return Section(
        name=name,
        title=f"Table {name} " + "with a long title " * 4,
        note="A note.",
        sentences=["A sentence " * 30],
        layout=(COLUMNS, rows),
        notes=["A footnote."],
        signals=[],
        caption="A long caption " * 20,
        pictures=[Picture("curves", "By round", "About.", PIXEL, 960, 480)],
        missing=["the figure x cannot be drawn"],
        runs=[run],
    )


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(page("Two tables", [section("one"), section("two")]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


def first_column(browser: Browser) -> list[str]:
    found = browser.run(
        "[...document.querySelector('table.numbers').tBodies[0].rows].map(r => r.cells[0].textContent)"
    )
    return list(found)


def click(browser: Browser, column: int) -> None:
    browser.run(
        f"document.querySelectorAll('table.numbers th[data-sort] button')[{column}].click()"
    )


def test_sorting_by_number_and_text_and_back(browser: Browser, file: Path) -> None:
    browser.open(file)
    assert first_column(browser) == list(NAMES)
    click(browser, 1)
    assert first_column(browser) == ["Trimmed & mean", "Median", "FedAvg", "<b>Krum</b>"], (
        "by number, unknown last"
    )
    assert browser.run("document.querySelector('th[aria-sort]').textContent") == "WGA"
    click(browser, 1)
    assert first_column(browser) == ["FedAvg", "Median", "Trimmed & mean", "<b>Krum</b>"]
    click(browser, 1)
    assert first_column(browser) == list(NAMES), "the third time as given"
    assert browser.run("document.querySelectorAll('th[aria-sort]').length") == 0
    click(browser, 0)
    assert first_column(browser)[-2:] == ["Median", "Trimmed & mean"]
    other = "[...document.querySelectorAll('table.numbers')[1].tBodies[0].rows].map(r => r.cells[0].textContent)"
    assert browser.run(other) == list(NAMES), "one table's order is no other's"


def test_the_keyboard_sorts_too(browser: Browser, file: Path) -> None:
    browser.open(file)
    browser.run("document.querySelectorAll('table.numbers th[data-sort] button')[1].focus()")
    browser.press("Enter", 13)
    assert first_column(browser)[0] == "Trimmed & mean"


def test_a_phone_scrolls_inside_tables_only(browser: Browser, file: Path) -> None:
    browser.open(file, width=375, height=800)
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert browser.run("document.documentElement.scrollWidth") <= 375
    assert browser.run("document.querySelector('.scroll').scrollWidth") > 375
    assert (
        browser.run("document.querySelector('caption span').getBoundingClientRect().right") <= 375
    )


def luminance(colour: str) -> float:
    values = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(browser: Browser, selector: str) -> float:
    colour = browser.run(f"getComputedStyle(document.querySelector('{selector}')).color")
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    low, high = sorted((luminance(colour), luminance(ground)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_both_themes_are_readable_and_the_button_turns_them(
    browser: Browser, file: Path, dark: bool
) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    browser.open(file, dark=dark)
    assert (luminance(browser.run(ground)) < 0.1) == dark, "the system's preference is taken"
    for _ in range(2):
        for selector in (
            "body",
            ".notes",
            "td.paper",
            "td small",
            "caption",
            "a",
            ".problem",
            "th.part",
        ):
            assert contrast(browser, selector) >= 4.5, selector
        browser.run("document.getElementById('theme').click()")
        dark = not dark
        assert (luminance(browser.run(ground)) < 0.1) == dark


def test_print_opens_what_is_folded_and_hides_controls(
    browser: Browser, file: Path, tmp_path: Path
) -> None:
    browser.open(file, dark=True)
    browser.pdf(tmp_path / "page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    assert browser.run("document.querySelectorAll('details[open]').length") == 0, (
        "folded again afterwards"
    )
    browser.run("window.dispatchEvent(new Event('beforeprint'))")
    browser.send("Emulation.setEmulatedMedia", media="print")
    assert browser.run("document.querySelectorAll('details:not([open])').length") == 0
    assert browser.run("getComputedStyle(document.getElementById('theme')).display") == "none"
    assert luminance(browser.run("getComputedStyle(document.body).backgroundColor")) == 1.0
    browser.send("Emulation.setEmulatedMedia", media="")


def test_tables_say_what_they_are(browser: Browser, file: Path) -> None:
    browser.open(file)
    assert browser.run(
        "[...document.querySelectorAll('table')].every(t => t.caption && t.caption.textContent)"
    )
    assert browser.run("[...document.querySelectorAll('th')].every(h => h.scope)")
    assert browser.run("[...document.images].every(i => i.alt && i.naturalWidth)")
    ids = browser.run("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


def test_no_errors_and_no_network_in_all_of_that(browser: Browser, file: Path) -> None:
    browser.open(file)
    assert browser.problems == []
    assert {address.split(":")[0] for address in browser.requests} <= {"file", "data", "about"}
    assert {address for address in browser.requests if address.startswith("file")} == {
        file.resolve().as_uri()
    }


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of one table with a narrow figure and a wide one."""
    narrow, wide = (
        Picture(name, name, f"About {name}.", PIXEL, width, 300)
        for name, width in (("drops", 316), ("curves", 672))
    )
    path = tmp_path_factory.mktemp("alone") / "page.html"
    only = replace(section("one"), pictures=[wide, narrow], sentences=["A sentence. " * 12] * 30)
    path.write_text(page("One table", [only]), encoding="utf-8")
    return path


def bottom(browser: Browser, selector: str) -> float:
    return float(
        browser.run(f"document.querySelector('{selector}').getBoundingClientRect().bottom")
    )


def test_the_first_screen_shows_summary_table_and_figure(browser: Browser, alone: Path) -> None:
    browser.open(alone, width=1280, height=800)
    for selector in (".sentences", ".lead .card", "table.numbers tbody tr:nth-child(4)"):
        assert bottom(browser, selector) <= 800, selector
    assert browser.run("document.documentElement.scrollWidth") <= 1280
    assert browser.run("document.images.length") == 2, "the figure beside the table is shown once"
    assert browser.run("document.querySelector('.lead img').alt").startswith("drops")
    places = "[...document.querySelectorAll('main > *')].map(e => e.getBoundingClientRect())"
    assert browser.run(f"{places}[1].left > {places}[0].right"), "beside the summary"
    assert browser.run("document.querySelector('.sentences').tabIndex") == 0, "the rest is reached"


def test_on_a_phone_everything_stands_below_each_other(browser: Browser, alone: Path) -> None:
    browser.open(alone, width=375, height=800)
    assert browser.run("document.documentElement.scrollWidth") <= 375
    assert (
        bottom(browser, ".sentences") < bottom(browser, ".lead") < bottom(browser, "table.numbers")
    )
    assert browser.run("document.querySelector('.lead img').getBoundingClientRect().right") <= 375
    assert browser.run(
        "(e => e.scrollHeight <= e.clientHeight + 1)(document.querySelector('.sentences'))"
    ), "the sentences are not in a box of their own"
