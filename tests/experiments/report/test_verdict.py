"""The verdict of an audit against numbers worked out by hand."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.report import write
from experiments.report.verdict import Verdict, verdict
from experiments.results.measurements import lines
from experiments.tables.load import load
from experiments.tables.table import Table
from tests.experiments.finished_runs import finish, table


def judged(folder: Path, seeds: str = "[0, 1, 2]") -> tuple[Table, Path]:
    """FedAvg, Median, geometric median, and an added rule. WGA drops of the last: 10, 11, 9; ASR: 30, 31, 29."""
    table(folder, seeds)
    made, results = (
        load(str(folder / "made.yaml"), rules=["tests.toy:MeanOfTwo"]),
        folder / "results",
    )
    groups = (
        ([90.0, 80.0, 60.0, 90.0], [90.0, 80.0, 62.0, 90.0], [90.0, 80.0, 64.0, 90.0]),
        (
            [90.0, 80.0, 55.0, 90.0],
            [90.0, 80.0, 57.0, 90.0],
            [90.0, 80.0, 59.0, 90.0],
        ),  # WGA drops 5
        (
            [90.0, 80.0, 40.0, 90.0],
            [90.0, 80.0, 42.0, 90.0],
            [90.0, 80.0, 44.0, 90.0],
        ),  # WGA drops 20
        ([90.0, 79.0, 50.0, 90.0], [90.0, 80.0, 51.0, 90.0], [90.0, 78.0, 55.0, 90.0]),
    )
    attack = ([70.0, 71.0, 72.0], [69.0, 70.0, 71.0], [30.0, 31.0, 32.0], [40.0, 40.0, 43.0])
    for row, accuracies, rates in zip(made.rows, groups, attack, strict=True):
        for experiment, values, rate in zip(row.experiments, accuracies, rates, strict=False):
            finish(experiment, results, values, rate)
    return made, results


def of(made: Table, results: Path) -> Verdict:
    found = verdict(made, lines(made, results, "final"), results)
    assert found is not None
    return found


def test_the_verdict_by_hand(tmp_path: Path) -> None:
    found = of(*judged(tmp_path))
    assert found.head == ("setting", "WGA drop", "ACC drop", "ASR drop", "who pays", "rank")
    (row,) = found.body
    half = 4.302652729911275 / math.sqrt(3)  # t quantile 0.975 with 2 degrees of freedom, std 1
    assert row[1] == f"10.0 [{10 - half:.1f}, {10 + half:.1f}]"
    assert row[2].startswith("no clear change: 0.0")
    assert row[3] == f"30.0 [{30 - half:.1f}, {30 + half:.1f}]"
    assert row[4] == "LRG-1, b0: 10.0"
    # WGA drops 5 (Median), 10, 20 (geometric median); ASR drops 40 (geometric median), 30, 1 (Median)
    assert row[5] == "WGA 2 of 3, ASR 2 of 3"
    text = " ".join(found.sentences)
    assert (
        "WGA clearly falls in 1 of 1 settings, clearly rises in 0, shows no clear change in 0."
        in text
    )
    assert "95 % t interval" in text
    assert "One seed" not in text
    assert "last digit" not in text


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    found = of(*judged(tmp_path, "[0]"))
    assert found.body[0][1:4] == ("10.0", "0.0", "30.0")
    text = " ".join(found.sentences)
    assert "One seed: no interval exists" in text
    assert "--seeds 0,1,2" in text
    assert "clearly" not in text


def test_a_rule_that_is_another_one_is_called_by_its_name(tmp_path: Path) -> None:
    made, results = judged(tmp_path)
    for ours, worst, rate in zip(
        made.rows[-1].experiments, (55.0, 57.0, 59.0), (69.0, 70.0, 71.0), strict=True
    ):
        finish(ours, results, [90.0, 80.0, worst, 90.0], rate)  # the numbers of Median
    told = of(made, results).sentences[-1]
    assert told.startswith("The same numbers to the last digit as Median in 1 of 1 settings")


def test_beside_another_rule_of_ones_own_it_is_called_by_its_name_too(tmp_path: Path) -> None:
    made, results = judged(tmp_path)
    fedavg, median, other, ours = made.rows
    made = replace(made, rows=(fedavg, median, replace(other, audited=True), ours))
    for place, experiment in enumerate(ours.experiments):  # the numbers of Median
        finish(experiment, results, [90.0, 80.0, 55.0 + 2 * place, 90.0], 69.0 + place)
    told = of(made, results).sentences[-1]
    assert told.startswith("The same numbers to the last digit as Median in 1 of 2 settings")


def test_the_verdict_stands_at_the_top_of_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.figures.FIGURES", {})
    made, results = judged(tmp_path)
    write(made, results, "final")
    text = (results / "reports" / "made" / "report.md").read_text()
    assert (
        text.index("## Verdict")
        < text.index("LRG-1, b0: 10.0")
        < text.index("## Summary")
        < text.index("| METHOD")
    )
    page = (results / "reports" / "made" / "made.html").read_text()
    assert (
        page.index('class="verdict"')
        < page.index("LRG-1, b0: 10.0")
        < page.index('class="numbers"')
    )


def test_no_verdict_without_somebodys_own_or_before_its_baseline(tmp_path: Path) -> None:
    made, results = judged(tmp_path)
    shipped = replace(made, rows=made.rows[:-1])
    assert verdict(shipped, lines(shipped, results, "final"), results) is None
    for experiment in made.rows[0].experiments:
        (results / experiment.id / "result.json").unlink()
    assert verdict(made, lines(made, results, "final"), results) is None
