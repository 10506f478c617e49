"""The files of a report."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from experiments import figures
from experiments.report import make, write, write_all
from experiments.results.finished_runs import result
from fedgroup.errors import FedgroupError
from tests.experiments.finished_runs import TABLE, table
from tests.experiments.report.tables import full, only


def test_files_escaping_and_the_same_bytes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "tension", "groups")
    made, results = full(tmp_path)
    files = write(made, results, "best_val_wga")
    named = {file.name for file in files}
    drawn = {f"{name}.{end}" for name in ("tension", "groups") for end in ("svg", "pdf", "png")}
    assert named == {"made.html", "made.tex", "report.md", "summary.csv", "runs.csv"} | drawn
    page = (results / "reports" / "made" / "made.html").read_text()
    assert "&lt;i&gt;T&amp;C_5%&lt;/i&gt;" in page
    assert "<i>T" not in page
    assert "<b>up" not in page
    assert not re.search(r"https?://|<link[^>]+href=\"(?!data:)|src=\"(?!data:)", page), (
        "the page is alone"
    )
    tex = (results / "reports" / "made" / "made.tex").read_text()
    assert r"\textless{}i\textgreater{}T\&C\_5\%\textless{}/i\textgreater{}" in tex
    assert r"$\pm$ 1.0" in tex
    assert tex.count(r"\begin{") == tex.count(r"\end{") == 3
    (row,) = [line for line in tex.splitlines() if "Median" in line]
    assert row.count("&") == len(re.findall("[lr]", re.search(r"tabular}{(.*)}", tex)[1])) - 1  # type: ignore[index]
    text = (results / "reports" / "made" / "report.md").read_text()
    assert r"\<i>T&C" in text
    before = {file: file.read_bytes() for file in files}
    assert write(made, results, "best_val_wga") == files
    assert {file: file.read_bytes() for file in files} == before


def test_a_figure_that_fails_takes_nothing_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, results = full(tmp_path, "[0]")

    def fail(*_: object) -> None:
        raise RuntimeError("no ink")

    broken = {
        "groups": replace(figures.FIGURES["groups"], draw=fail),
        "influence": figures.FIGURES["influence"],
    }
    monkeypatch.setattr(figures, "FIGURES", broken)
    with pytest.raises(
        FedgroupError, match=r"figure groups of table made cannot be drawn \(RuntimeError: no ink\)"
    ):
        write(made, results, "final")
    folder = results / "reports" / "made"
    assert {"report.md", "summary.csv", "influence.png", "made.html"} <= {
        file.name for file in folder.iterdir()
    }
    assert "no ink" in (folder / "made.html").read_text()


def test_a_page_of_two_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "FIGURES", {})
    made, results = full(tmp_path, "[0]")
    other = table(tmp_path, "[0]", TABLE.replace("title: Made", "title: Other"), name="other")
    write_all([make(made, results, "final"), make(other, results, "final")], "made-other")
    page = (results / "reports" / "made-other.html").read_text()
    assert page.index("Contents") < page.index("Summary") < page.index("<table")
    assert page.count('<table class="numbers">') == 2
    assert (results / "reports" / "other" / "other.html").exists()
    assert page.count("One seed: nothing is known about the spread") == 1
    # both tables are of the same runs: Median's WGA drops by 10, the third row's by -1; ASR by 30 and 1
    assert (
        "Defences against FedAvg, 2 settings: attack success 1.0 to 30.0 points lower; WGA lower in 1 (by up to 10.0 "
        "points) and higher in 1 (by up to 1.0); ACC unchanged. The group that pays most is b0 in 1 of them."
    ) in page


def test_each_result_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, results = full(tmp_path, "[0]")
    monkeypatch.setattr(figures, "FIGURES", {})
    from experiments.results import finished_runs

    read: list[Path] = []
    for name in ("read_result", "_json"):
        original = getattr(finished_runs, name)
        monkeypatch.setattr(
            finished_runs, name, lambda path, original=original: read.append(path) or original(path)
        )
    write(made, results, "final")
    assert len(read) == len(set(read)) == 6  # result and environment of three runs
    experiment = made.rows[0].experiments[0]
    path = results / experiment.id / "result.json"
    changed = json.loads(path.read_text()) | {"parameters": 77}
    path.write_text(json.dumps(changed))
    assert (result(experiment, results) or {})["parameters"] == 77, "a newer file is read again"


def test_a_figure_that_no_longer_applies_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "groups")
    made, results = full(tmp_path, "[0]")
    write(made, results, "final")
    groups = results / "reports" / "made" / "groups.png"
    assert groups.exists()
    write(made, results, "last10")
    assert not groups.exists(), "it would stand beside numbers of another rule"


def test_a_full_or_missing_disk_is_one_clear_error(tmp_path: Path) -> None:
    made, results = full(tmp_path, "[0]")
    (results / "reports").write_text("a file where a folder must go")
    with pytest.raises(FedgroupError, match="cannot write to .*reports"):
        write(made, results, "final")
