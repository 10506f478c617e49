"""From confusion matrices of three classes to the rate, its interval and the printed report."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from experiments.report import make
from experiments.report.columns import cells
from experiments.report.markdown import markdown
from experiments.results.measurements import lines
from experiments.tables.table import Table
from fedgroup.attacks.backdoor import Backdoor
from fedgroup.attacks.subpopulation import Subpopulation
from fedgroup.group_metrics import Counts
from fedgroup.model_selection import attack_rate
from fedgroup.seeding import rng
from tests.experiments.finished_runs import TABLE, finish, table
from tests.fedgroup.attacks.samples import THREE, splits
from tests.fedgroup.attacks.samples import table as answers_from

ACCURACIES = [90.0, 80.0, 60.0, 90.0]


def rate(counts: Counts) -> float:
    """What a line of rounds.jsonl with these counts says, in percent."""
    found = attack_rate({"attack": {"hits": counts.correct, "total": counts.total}})
    assert found is not None
    return found


def backdoor_rate(under_trigger: Sequence[int]) -> float:
    """ASR where the 8 images of class c, all right without the trigger, get this row with it."""
    data = splits(THREE, test=(1, 1, 1, 1, 4, 4))
    triggered = data.test.y.copy()
    triggered[data.test.y == 2] = np.repeat(np.arange(3), under_trigger)
    return rate(Backdoor().success(answers_from(data.test.y, triggered), data, rng(0)))


def error_rate(row: Sequence[int]) -> float:
    """Error on the target group c0 of 10 images that get this row, in percent."""
    data = splits(THREE, test=(1, 1, 1, 1, 10, 4))
    predicted = data.test.y.copy()
    predicted[data.test.group == 4] = np.repeat(np.arange(3), row)
    return rate(Subpopulation().success(answers_from(predicted, predicted), data, rng(0)))


def finished(made: Table, results: Path, rates: Sequence[Sequence[float]]) -> None:
    for row, values in zip(made.rows, rates, strict=False):
        for experiment, value in zip(row.experiments, values, strict=True):
            finish(experiment, results, ACCURACIES, value)


def printed(made: Table, results: Path) -> dict[str, dict[str, str]]:
    """The printed table: cells by row and column."""
    head, body = cells(made, lines(made, results, "final"))
    return {row[0]: dict(zip(head, row, strict=True)) for row in body}


def test_backdoor_rate_interval_and_report(tmp_path: Path) -> None:
    made, results = table(tmp_path), tmp_path / "results"
    fedavg = [backdoor_rate(row) for row in ((2, 4, 2), (1, 6, 1), (0, 8, 0))]
    median = [backdoor_rate(row) for row in ((6, 2, 0), (1, 2, 5), (8, 0, 0))]
    assert fedavg == [50.0, 75.0, 100.0]
    assert median == [25.0, 25.0, 0.0], "always class a is no success of an attack towards b"
    finished(made, results, (fedavg, median))
    drop = (lines(made, results, "final")[1].drops or {})["asr"]
    assert drop.spread.mean == pytest.approx(175 / 3)  # of 25, 50 and 100
    assert drop.spread.std == pytest.approx(38.18813)
    assert (drop.low, drop.high) == pytest.approx((-36.5308, 153.1975), abs=1e-3)
    shown = printed(made, results)
    assert shown["FedAvg"]["ASR"] == "75.0 ± 25.0"
    assert shown["Median"]["ASR"] == "16.7 ± 14.4"
    assert shown["Median"]["ASR drop"] == "58.3 ± 38.2"
    report = make(made, results, "final")
    text = markdown(made, report.lines, report.sentences, report.notes, report.signals, None)
    assert "| 16.7 ± 14.4 |" in text
    assert any(
        s.startswith("Median:") and "attack success no clear change (58.3 points lower" in s
        for s in report.sentences
    )


def test_subpopulation_rate_is_paired_with_the_clean_run(tmp_path: Path) -> None:
    text = TABLE.replace("{use: dlbd, fraction: 0.1, side: 2, gap: 0}", "{use: sa, fraction: 0.1}")
    made, results = table(tmp_path, text=text), tmp_path / "results"
    clean = [error_rate(row) for row in ((1, 2, 7), (0, 1, 9), (2, 0, 8))]
    attacked = [error_rate(row) for row in ((2, 4, 4), (5, 0, 5), (0, 4, 6))]
    assert (clean, attacked) == ([30.0, 10.0, 20.0], [60.0, 50.0, 40.0])
    finished(made, results, (attacked, clean))
    for row, rates in zip(made.rows, (clean, clean), strict=False):
        for experiment, value in zip(row.experiments, rates, strict=True):
            reference = experiment.reference()
            assert reference is not None
            finish(reference, results, ACCURACIES, value)
    line = lines(made, results, "final")[0]
    assert line.values["asr"] == pytest.approx([30.0, 40.0, 20.0])
    assert line.values["asr_base"] == clean
    shown = printed(made, results)
    assert shown["FedAvg"]["ASR"] == "30.0 ± 10.0"
    assert shown["FedAvg"]["clean ASR"] == "20.0 ± 10.0"
    assert shown["Median"]["ASR drop"] == "30.0 ± 10.0"
