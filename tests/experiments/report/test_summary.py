"""The summary in words."""

import math
import shutil
from pathlib import Path

from experiments.report import cells, make
from tests.experiments.finished_runs import finish, table
from tests.experiments.report.tables import FEDAVG, MEDIAN, SEVERAL, full


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
