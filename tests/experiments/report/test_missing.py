"""A table with missing cells says which rows and seeds."""

from pathlib import Path

from experiments.report import make
from experiments.report.missing import missing
from tests.experiments.finished_runs import TABLE, finish, table
from tests.experiments.report.tables import FEDAVG, MEDIAN, full


def test_rows_and_seeds_are_named(tmp_path: Path) -> None:
    made, results = table(tmp_path), tmp_path / "results"
    fedavg, median, _ = made.rows
    for place in (0, 2):
        finish(fedavg.experiments[place], results, FEDAVG[place], 70.0)
    for place in (0, 1):
        finish(median.experiments[place], results, MEDIAN[place], 40.0)
    lines = make(made, results, "final").lines
    assert missing(made, lines) == [
        "1 of 3 rows have no finished run: <i>T&C_5%</i>.",
        "Not finished: FedAvg (seed 1); Median (seed 2).",
        "No drop, as the baseline (FedAvg) is not finished: Median (seed 1).",
    ]
    assert missing(*full_lines(tmp_path / "full")) == []


def full_lines(folder: Path) -> tuple[object, object]:
    folder.mkdir()
    made, results = full(folder)
    return made, make(made, results, "final").lines


def test_a_paired_attack_without_its_clean_run_is_named(tmp_path: Path) -> None:
    text = TABLE.replace("use: dlbd, fraction: 0.1, side: 2, gap: 0", "use: sa")
    made, results = table(tmp_path, "[0, 1]", text), tmp_path / "results"
    for run in made.rows[0].experiments:
        finish(run, results, FEDAVG[0], 40.0)
    clean = made.rows[0].experiments[0].reference()
    assert clean is not None
    finish(clean, results, FEDAVG[0], 10.0)
    lines = make(made, results, "final").lines
    assert lines[0].values["asr"] == [30.0]
    assert missing(made, lines)[1:] == [
        "No attack success, as the clean run is not finished: FedAvg (seed 1)."
    ]
