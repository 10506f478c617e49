"""Reports of runs written by hand, against numbers worked out by hand."""

import json
import math
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from experiments import figures
from experiments.experiment import Experiment
from experiments.report import cells, footer, make, write, write_all
from experiments.report.across_tables import overall
from experiments.report.latex import escape
from experiments.report.metric_format import cell, headings, metric, number
from experiments.report.provenance import provenance, yaml
from experiments.results.measurements import lines, measured
from experiments.results.store import result
from experiments.tables.labels import which
from experiments.tables.table import Table
from fedgroup.errors import FedgroupError
from fedgroup.probes.separability import compare
from fedgroup.seeding import rng
from fedgroup.spec import parse
from tests.experiments.finished_runs import GROUPS, TABLE, TIERS, finish, table

FEDAVG = ([90.0, 80.0, 60.0, 90.0], [90.0, 80.0, 62.0, 90.0], [90.0, 80.0, 64.0, 90.0])
MEDIAN = ([90.0, 79.0, 50.0, 90.0], [90.0, 80.0, 51.0, 90.0], [90.0, 78.0, 55.0, 90.0])
CLIPPED = ([90.0, 80.0, 61.0, 90.0], [90.0, 80.0, 61.0, 90.0], [90.0, 80.0, 64.5, 90.0])


def full(folder: Path, seeds: str = "[0, 1, 2]") -> tuple[Table, Path]:
    """All rows finished. Median: WGA drops 10, 11, 9; ASR drops 30, 31, 29. The third row: -1, 1, -0.5; 1, -2, 2."""
    made, results = table(folder, seeds), folder / "results"
    attack = ([70.0, 71.0, 72.0], [40.0, 40.0, 43.0], [69.0, 73.0, 70.0])
    for row, groups, rates in zip(made.rows, (FEDAVG, MEDIAN, CLIPPED), attack, strict=True):
        for experiment, values, rate in zip(row.experiments, groups, rates, strict=False):
            finish(experiment, results, values, rate, minority_influence=0.5)
    return made, results


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Draw these figures alone: drawing is what takes time."""
    kept = {name: figure for name, figure in figures.FIGURES.items() if name in names}
    monkeypatch.setattr(figures, "FIGURES", kept)


def test_the_summary_says_who_pays_and_what_it_buys(tmp_path: Path) -> None:
    made, results = full(tmp_path)
    head, median, other = make(made, results, "final").sentences
    assert head == (
        "Of 2 defences compared with FedAvg, 1 clearly lower worst-group accuracy (WGA), 0 clearly raise it, "
        "1 show no clear change."
    )
    half = 4.302652729911275 / math.sqrt(3)  # t quantile 0.975 with 2 degrees of freedom, std 1
    assert median.startswith(
        f"Median: WGA 10.0 points lower (95 % interval {-10 - half:.1f} to {-10 + half:.1f}); ACC no clear change"
    )
    assert (
        f"attack success 30.0 points lower (95 % interval {-30 - half:.1f} to {-30 + half:.1f})"
        in median
    )
    # a1 loses 1, 0, 2: its interval spans 0, but it is the largest of the others by its mean
    assert median.endswith("B0 pays most: 10.0 points, any other group at most 1.0.")
    assert "WGA no clear change (0.2 points higher, 95 % interval" in other
    assert "pays most" not in other


def test_one_seed_says_that_nothing_is_known_about_the_spread(tmp_path: Path) -> None:
    made, results = full(tmp_path, "[0]")
    report = make(made, results, "final")
    assert report.sentences[0].startswith("One seed: nothing is known about the spread")
    assert "clear" not in " ".join(report.sentences)
    assert "interval" not in " ".join(report.sentences)
    assert not any("±" in text for row in cells(made, report.lines)[1] for text in row)
    assert report.sentences[2].startswith(
        "Median: WGA 10.0 points lower; ACC unchanged; attack success 30.0 points lower."
    )


def test_no_headroom_missing_rows_and_failed_rounds_are_said(tmp_path: Path) -> None:
    made, results = table(tmp_path), tmp_path / "results"
    fedavg, median, _ = made.rows
    for experiment in fedavg.experiments:
        finish(experiment, results, [90.0, 80.0, 4.0, 90.0])
    for experiment in median.experiments[:2]:
        finish(experiment, results, [90.0, 80.0, 0.0, 90.0], failed_rounds=1)
    report = make(made, results, "final")
    text = " ".join(report.sentences)
    assert "Median: no headroom. FedAvg's own WGA is under 5 %" in text
    assert "Of " not in text, "a headline would count a drop that says nothing"
    assert "1 of 3 rows have no finished run: <i>T&C_5%</i>." in text
    assert "Median: 1 of 2 rounds failed." in text
    assert "Median: seeds finished: 2/3." in text
    assert cells(made, report.lines)[1][2][1] == "not run"
    shutil.rmtree(results / fedavg.experiments[0].id)
    for experiment in fedavg.experiments[1:]:
        shutil.rmtree(results / experiment.id)
    assert (
        "No drop for Median: their baseline (FedAvg) is not finished."
        in make(made, results, "final").sentences
    )


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


def test_what_several_tables_say_together_of_the_cases(tmp_path: Path) -> None:
    text = SEVERAL.replace("CASE: A", "CASE: STANDARD").replace("CASE: B", "CASE: IDEAL")
    made, results = table(tmp_path, "[0, 1]", text), tmp_path / "results"
    standard, ideal, _ = made.rows
    for place, rate in enumerate((60.0, 64.0)):
        finish(standard.experiments[place], results, MEDIAN[place], rate)
        finish(ideal.experiments[place], results, FEDAVG[place], 1.0)
    found = lines(made, results, "final")
    assert overall([(made, found)]) == []
    assert overall([(made, found), (made, found)]) == [
        "JTT, the standard case against the ideal one, 1 setting: attack success 61.0 points higher; WGA 10.5 points "
        "lower; ACC unchanged."
    ]


def test_provenance_lists_every_run_and_its_settings_read_back(tmp_path: Path) -> None:
    made, results = full(tmp_path, "[0, 1]")
    runs = provenance(made, results)
    assert {run.run for run in runs} == {e.id for e in made.experiments()}
    assert {(run.commit, run.seconds, run.threads) for run in runs} == {("abc1234", 3.0, 1)}
    for run, experiment in zip(runs, made.experiments(), strict=True):
        assert Experiment.of(parse(run.spec, "spec")).id == experiment.id
    odd = {
        "a": 1e-05,
        "b": "no",
        "c": {"d": [1, 2.5, None], "e f": "x: y"},
        "g": {},
        "h": True,
        "i": "1e5",
        "j": 1e22,
    }
    assert parse(yaml(odd), "odd") == odd


def test_each_result_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, results = full(tmp_path, "[0]")
    monkeypatch.setattr(figures, "FIGURES", {})
    from experiments.results import store

    read: list[Path] = []
    original = store.read_json
    monkeypatch.setattr(store, "read_json", lambda path: read.append(path) or original(path))
    write(made, results, "final")
    assert len(read) == len(set(read)) == 6  # result and environment of three runs
    experiment = made.rows[0].experiments[0]
    path = results / experiment.id / "result.json"
    changed = json.loads(path.read_text()) | {"rounds": 77, "parameters": 1}
    path.write_text(json.dumps(changed))
    assert (result(experiment, results) or {})["rounds"] == 77, "a newer file is read again"


def test_groups_have_values_and_drops(tmp_path: Path) -> None:
    made, results = full(tmp_path)
    values = measured(made.rows[1].experiments[0], results, "final")
    assert values is not None
    assert values["group b0"] == 50.0
    assert "group b0" not in (measured(made.rows[1].experiments[0], results, "last10") or {})
    drops = lines(made, results, "final")[1].drops or {}
    assert drops["group a1"].spread.mean == pytest.approx((1 + 0 + 2) / 3)


SEVERAL = """
title: Several
columns: [wga, asr, idnf poisons, idnf LRG-1]
base:
  task: {data: "tests.toy:ToyData", model: "tests.toy:ToyModel", attack: {use: dlbd, fraction: 0.1, side: 2, gap: 0}}
rows:
  - {label: {METHOD: JTT, CASE: A}, set: {method: jtt, task: {train: {epochs: 5}}}}
  - {label: {METHOD: JTT, CASE: B}, set: {method: {use: jtt, upsample: 3}, task: {train: {epochs: 5}}}}
  - {label: {METHOD: GEORGE, CASE: A}, set: {method: george, task: {train: {epochs: 12}, attack_seed: 7}}}
seeds: SEEDS
"""


def test_the_footer_names_the_rows_that_differ(tmp_path: Path) -> None:
    made, results = table(tmp_path, "[0]", SEVERAL), tmp_path / "results"
    for experiment in made.experiments():
        finish(experiment, results, FEDAVG[0], 10.0)
    notes = footer(made, lines(made, results, "final"), results, "final")
    assert sum(note.startswith("Data toy, ") for note in notes) == 1
    assert any(note.startswith("Training (JTT): 5 epochs") for note in notes)
    assert any(note.startswith("Training (GEORGE): 12 epochs") for note in notes)
    assert any(
        note.startswith("Attack (JTT): Backdoor") and "attack seed 0" in note for note in notes
    )
    assert any(
        note.startswith("Attack (GEORGE): Backdoor") and "attack seed 7" in note for note in notes
    )
    assert which(made.rows[:1], made.rows) == "JTT, A"


def test_what_acc_is_depends_on_the_data(tmp_path: Path) -> None:
    text = SEVERAL.replace("asr, idnf poisons", "asr, acc_paper, idnf poisons")
    made, results = table(tmp_path, "[0]", text), tmp_path / "results"
    celeba, *others = made.rows
    raw = {"name": "celeba", "groups": GROUPS, "tiers": TIERS, "train_counts": [40, 8, 4, 28]}
    finish(celeba.experiments[0], results, FEDAVG[0], 10.0, dataset=raw)
    for row in others:
        finish(row.experiments[0], results, FEDAVG[0], 10.0)
    found = lines(made, results, "final")
    notes = footer(made, found, results, "final")
    [selection] = [note for note in notes if note.startswith("Selection: final. ACC")]
    assert "ACC (JTT, A): plain test accuracy, the paper's convention on these data." in selection
    assert "ACC (JTT, B; GEORGE, A): weighted by the training proportions" in selection
    rates = [line.values["acc_paper"] for line in found]
    assert rates == [[80.0], [90.0], [90.0]]  # raw: (90 + 80 + 60 + 90) / 4


def test_the_rate_of_the_clean_run_stands_beside_that_of_the_attack(tmp_path: Path) -> None:
    text = SEVERAL.replace("use: dlbd, fraction: 0.1, side: 2, gap: 0", "use: gm")
    made, results = table(tmp_path, "[0]", text), tmp_path / "results"
    for experiment in made.experiments():
        clean = experiment.reference()
        assert clean is not None
        finish(experiment, results, FEDAVG[0], 40.0)
        finish(clean, results, FEDAVG[0], 20.0)
    header, body = cells(made, lines(made, results, "final"))
    assert header[2:6] == ["WGA", "ASR", "clean ASR", "POISONS"]
    assert body[0][3:5] == ["40.0", "20.0"]


def test_cases_are_compared_by_seed(tmp_path: Path) -> None:
    text = SEVERAL.replace("CASE: A", "CASE: STANDARD").replace("CASE: B", "CASE: IDEAL")
    made, results = table(tmp_path, "[0, 1, 2]", text), tmp_path / "results"
    standard, ideal, _ = made.rows
    rates = {"LRG-1": 90.0, "poisons": 100.0, "HRG": 0.5, "LRG-2": None}
    for place, rate in enumerate((60.0, 61.0, 62.0)):
        finish(standard.experiments[place], results, MEDIAN[place], rate, idnf=rates)
        finish(ideal.experiments[place], results, FEDAVG[place], 1.0, idnf=rates)
    text = " ".join(make(made, results, "final").sentences)
    half = 4.302652729911275 / math.sqrt(3)
    assert (
        f"JTT, STANDARD against IDEAL: attack success 60.0 points higher (95 % interval {60 - half:.1f} to "
        f"{60 + half:.1f}); WGA 10.0 points lower (95 % interval {-10 - half:.1f} to {-10 + half:.1f})"
    ) in text
    assert "JTT identifies 100.0 % of poisons, 90.0 % of LRG-1 and 0.5 % of HRG." in text


def test_every_number_is_printed_in_its_unit() -> None:
    assert cell(0.12345, 0.01, metric("entropy HRG").decimals) == "0.123 ± 0.010"
    assert headings(["entropy HRG", "wga"]) == ["HRG (bits)", "WGA"]
    assert headings(["idnf poisons", "elmf poisons", "idnf LRG-1"]) == [
        "IDNF POISONS",
        "ELMF POISONS",
        "LRG-1",
    ]
    assert metric("something new").heading == "SOMETHING NEW"
    assert number(-0.04) == "0.0"
    assert cell(5.0, math.nan) == "5.0"


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("a_b 5% & #1 $x {y}", r"a\_b 5\% \& \#1 \$x \{y\}"),
        (
            "<a> ~^\\",
            r"\textless{}a\textgreater{} \textasciitilde{}\textasciicircum{}\textbackslash{}",
        ),
        ("ρ = 0.9 ± 1 – −2", r"$\rho$ = 0.9 $\pm$ 1 -- $-$2"),
    ],
)
def test_latex_prints_text_as_it_stands(text: str, printed: str) -> None:
    assert escape(text) == printed


def test_figures_of_eliminations_and_of_separability(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "groups", "elimination", "separability")
    made, results = table(tmp_path, "[0, 1]", SEVERAL), tmp_path / "results"
    steps = [
        {
            "kind": "eliminate",
            "step": step,
            "elmf": {"poisons": 10.0 * step, "LRG-1": 9.0 * step, "LRG-2": None, "HRG": 1.0},
        }
        for step in (1, 2, 3)
    ]
    row = made.rows[0]
    for experiment in row.experiments:
        finish(experiment, results, FEDAVG[0], 10.0, selections=steps, elmf=steps[-1]["elmf"])
    # total variation is biased: it may lie outside its interval
    statistics = asdict(
        compare([0.0, 0.0, 1.0, 2.0], [1.0, 2.0, 2.0, 3.0], rng(0, "test"), discrete=True, draws=20)
    )
    statistics["total_variation"] = {"value": 0.5, "low": 0.51, "high": 0.6}
    signals = {
        "loss": {"LRG-1": statistics, "HRG": statistics},
        "cluster_size": {"LRG-1": statistics},
    }
    report = {"signals": signals, "values": {"gap": 1.0}}
    (results / row.experiments[1].id / "probe-signals.json").write_text(json.dumps(report))
    names = {file.name for file in write(made, results, "last10")}
    assert {"elimination.pdf", "separability.svg"} <= names
    assert "groups.png" not in names, "last10 keeps no groups"
    drawn = results / "reports" / "made" / "elimination.svg"
    assert drawn.read_text().count("<svg") == 1


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
    with pytest.raises(FedgroupError, match="cannot write the report to"):
        write(made, results, "final")


def test_colours_are_one_per_method_in_every_table(tmp_path: Path) -> None:
    from experiments.figures.style import METHODS, colours

    made = table(tmp_path, "[0]")
    assert colours(made)["Median"] == METHODS["Median"]
    text = (
        TABLE.replace("{METHOD: FedAvg}", "{T: 1}")
        .replace("{METHOD: Median}", "{T: 10}")
        .replace('{METHOD: "<i>T&C_5%</i>"}', "{T: 2}")
    )
    ordered = colours(table(tmp_path, "[0]", text))
    assert len(set(ordered.values())) == 3
    assert not set(ordered.values()) & set(METHODS.values()), "numbers get shades"
