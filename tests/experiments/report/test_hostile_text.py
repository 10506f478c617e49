"""Names of people in Markdown, HTML, LaTeX, CSV and on the terminal: shown as they are."""

import csv
import re
import shutil
import subprocess
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from experiments import figures
from experiments.console import plain
from experiments.report import latex_text, make, markdown_text, terminal, write
from experiments.report.csv_text import as_csv
from experiments.report.html import isolated
from experiments.report.terminal import print_reports
from experiments.report.verdict import Verdict
from tests.experiments.hostile import GROUPS, LABELS, hostile

SPACES = re.compile(r"\s+")


def one_line(text: str) -> str:
    return SPACES.sub(" ", text).strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the table, without figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "FIGURES", {})
        made, results = hostile(tmp_path_factory.mktemp("hostile"))
        write(made, results, "final")
    return results / "reports" / "hostile"


class Page(HTMLParser):
    """What a browser makes of a page: the text by tag, and every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)
        self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data


def unmarked(text: str) -> str:
    return one_line(text.replace("\u2068", "").replace("\u2069", ""))


def test_html_shows_every_label_and_runs_none(folder: Path) -> None:
    text = (folder / "hostile.html").read_text(encoding="utf-8")
    page = Page(text)
    shown = [unmarked(cell) for cell in page.texts["th"]]
    assert [label for label in LABELS if one_line(label) not in shown] == []
    assert [tag for tag, _ in page.tags].count("script") == 1, "ours alone"
    assert not {"i", "b"} & {tag for tag, _ in page.tags}
    assert not [attrs for _, attrs in page.tags if "onerror" in attrs]
    assert unmarked(page.texts["h1"][0]) == one_line("# T $x$ <i>_t_</i> | 100 % & \\ 🐦\nnext #")
    named = [attrs.get("aria-label") or "" for _, attrs in page.tags]
    assert any("<i>_t_</i>" in name for name in named), "in attributes too"


def test_numbers_after_a_name_from_right_to_left_stay_behind_it(folder: Path) -> None:
    text = (folder / "hostile.html").read_text(encoding="utf-8")
    assert "\u2068שלום עולם\u2069: WGA" in text
    assert isolated("a שלום 12") == "a \u2068שלום\u2069 12"
    assert isolated("plain 1.0") == "plain 1.0"
    assert isolated(3) == 3


def test_markdown_shows_every_label(folder: Path) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    rendered = MarkdownIt("commonmark").enable("table").render(text)
    page = Page(rendered)
    cells = [one_line(cell) for cell in page.texts["td"]]
    assert [label for label in LABELS if one_line(label) not in cells] == []
    assert not {"script", "img", "em", "strong", "a", "i", "b"} & {tag for tag, _ in page.tags}
    assert len(page.texts["h1"]) == 1
    assert one_line(page.texts["h1"][0]) == one_line("# T $x$ <i>_t_</i> | 100 % & \\ 🐦\nnext #")
    assert "1. A note with *stars*, <b>tags</b> and $formulas$." in page.texts["p"]
    widths = {row.replace("\\|", "").count("|") for row in text.splitlines() if row[:1] == "|"}
    assert len(widths) == 1, "no label opens a column"


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("run `fedgroup run demo`", "run `fedgroup run demo`"),
        ("acc_adjusted_2 _x_", r"acc_adjusted_2 \_x\_"),
        ("R&D &amp; x", r"R&D \&amp; x"),
        ("[0, 1] [a](b)", r"[0, 1] [a\](b)"),
    ],
)
def test_markdown_keeps_plain_text_plain(text: str, markdown: str) -> None:
    assert markdown_text.shown(text) == markdown


@pytest.mark.parametrize("text", ["# a", "> a", "- a", "+ a", "1. a", "2) a", "=== a", "* a"])
def test_markdown_blocks_do_not_begin_with_a_name(text: str) -> None:
    rendered = MarkdownIt("commonmark").render(markdown_text.block(text))
    assert rendered == f"<p>{text.replace('>', '&gt;')}</p>\n"
    listed = MarkdownIt("commonmark").render(f"- {markdown_text.block(text)}")
    assert listed.count("<li>") == 1 and text.replace(">", "&gt;") in listed


def cells_of(tex: str) -> list[list[str]]:
    body = tex[tex.index(r"\midrule") : tex.index(r"\bottomrule")]
    rows = [row for row in body.splitlines()[1:] if row.strip()]
    return [re.split(r"(?<!\\) & ", row.removesuffix(r" \\")) for row in rows]


def test_latex_by_rules(folder: Path) -> None:
    """Every special character is escaped, braces close, no row begins with an argument."""
    tex = (folder / "hostile.tex").read_text(encoding="utf-8")
    assert tex.startswith(r"\providecommand{\fedgroupletter}")
    source = tex[tex.index("\n") + 1 :]
    rows = cells_of(source)
    assert len(rows) == len(LABELS)
    assert len({len(row) for row in rows}) == 1
    for row in rows:
        cell = row[0].strip()
        assert not cell.startswith(("[", "*")), cell
        bare = re.sub(r"\\[&%$#_{}]|\$\\[a-z]+\$|\$-\$", "", cell)
        assert not re.search(r"[&%$#_~^<>|`]", bare), cell
        assert bare.count("{") == bare.count("}"), cell
    plain_text = re.sub(r"\\[{}]", "", tex)
    assert plain_text.count("{") == plain_text.count("}")
    letters = re.sub(r"\\fedgroupletter{.}{[0-9A-F]{4,5}}", "", source)
    assert letters.isascii() or not re.search(r"[^\x00-\x7f]", letters), "pdfLaTeX knows the rest"
    assert r"p{.35\linewidth}" in tex, "200 letters in a row are set in lines"
    assert r"n\allowbreak{}n" in tex


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a--b ''c''", "a-{}-b '{}'c'{}'"),
        ("[0.1] [x]", "{[}0.1] [x]"),
        ("* star", "{*} star"),
        ("`q`", r"\textasciigrave{}q\textasciigrave{}"),
        ("e\u0301 ü ß", "é ü ß"),
        ("one\r\ntwo\u2028three", "one two three"),
        ("🐦", r"\fedgroupletter{🐦}{1F426}"),
        ("Ω ≈ π …", r"$\Omega$ $\approx$ $\pi$ \ldots{}"),
    ],
)
def test_latex_letters(text: str, printed: str) -> None:
    assert latex_text.escape(text) == printed


@pytest.mark.parametrize("compiler", ["pdflatex", "tectonic"])
def test_latex_compiles(folder: Path, tmp_path: Path, compiler: str) -> None:
    program = shutil.which(compiler)
    if program is None:
        pytest.skip(f"{compiler} is not on this machine: the table is checked by rules above")
    (tmp_path / "all.tex").write_text(
        "\\documentclass{article}\\usepackage[utf8]{inputenc}\\usepackage{booktabs}\n"
        "\\begin{document}\\input{table}\\end{document}\n",
        encoding="utf-8",
    )
    (tmp_path / "table.tex").write_text((folder / "hostile.tex").read_text("utf-8"), "utf-8")
    how = ["-interaction=nonstopmode", "-halt-on-error"] if compiler == "pdflatex" else []
    done = subprocess.run(
        [program, *how, "all.tex"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_csv_holds_every_label_as_it_is_and_quotes_formulas(folder: Path) -> None:
    for name in ("summary.csv", "runs.csv"):
        text = (folder / name).read_text(encoding="utf-8")
        rows = list(csv.DictReader(StringIO(text, newline="")))
        assert {row["METHOD"] for row in rows} == set(LABELS)
        assert '\n"=1+1",' in text and '\n"- @SUM {b}",' in text
        assert {f"group {group}" for group in GROUPS} <= set(rows[0])
        back = pd.read_csv(StringIO(text))
        assert set(back["METHOD"]) == set(LABELS)


def test_csv_quotes_names_but_no_numbers() -> None:
    frame = pd.DataFrame(
        {"=a": ["=1", "@b", "-c", "+d", "-1.5", "x,y"], "n": [-1.5, 2, 3, 4, 5, 6]}
    )
    assert as_csv(frame).splitlines() == [
        '"=a",n', '"=1",-1.5', '"@b",2.0', '"-c",3.0', '"+d",4.0', "-1.5,5.0", '"x,y",6.0',
    ]  # fmt: skip
    plain_frame = pd.DataFrame({"a": ["b", 'c"d', None], "v": [1.0, float("nan"), -2e-7]})
    assert as_csv(plain_frame) == plain_frame.to_csv(index=False)
    assert as_csv(pd.DataFrame([])) == pd.DataFrame([]).to_csv(index=False)


def test_the_terminal_shows_markup_and_emoji_codes_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "FIGURES", {})
    made, results = hostile(tmp_path)
    console = Console(file=StringIO(), width=400)
    print_reports([made], results, "final", console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    for label in LABELS:
        assert all(part in printed for part in label.split("\n")), label
    assert "\x1b" not in printed
    assert plain("a\x1b[2J[b]:dog:\\").plain == "a\ufffd[2J[b]:dog:\\"


def test_a_report_of_an_unsafe_table_name_stays_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    monkeypatch.setattr(figures, "FIGURES", {})
    made, results = hostile(tmp_path)
    report = make(replace(made, name=".."), results, "final")
    assert report.folder.parent == results / "reports"
    assert re.fullmatch("_-[0-9a-f]{8}", report.folder.name)


def test_a_verdict_on_the_terminal() -> None:
    console = Console(file=StringIO(), width=200)
    terminal._print_verdict(Verdict(("[b]x[/b] :dog:",), ("a [h]", "b"), (("[/c]", "1"),)), console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(text in printed for text in ("a [h]", "[/c]", "[b]x[/b] :dog:"))
