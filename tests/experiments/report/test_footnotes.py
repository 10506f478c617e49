"""Marks beside numbers that too little stands behind, and the seeds behind every cell."""

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.report import cells, make, write
from experiments.report.columns import lay_out
from experiments.results.frames import frame, summary_frame
from experiments.tables.table import Table
from tests.experiments.finished_runs import finish, table
from tests.experiments.report.tables import FEDAVG, MEDIAN, full, only


def rewritten(folder: Path, **changes: Any) -> None:
    path = folder / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def weak(folder: Path) -> tuple[Table, Path]:
    """Every run is finished; a seed of FedAvg and one of Median have failed rounds, Median a NaN."""
    made, results = full(folder)
    fedavg, median, _ = made.rows
    rewritten(results / fedavg.experiments[0].id, failed_rounds=1)
    rewritten(results / median.experiments[2].id, failed_rounds=1, flags={"rounds_without_loss": 2})
    return made, results


def test_a_weak_number_has_a_mark_and_the_mark_a_footnote(tmp_path: Path) -> None:
    made, results = weak(tmp_path)
    report = make(made, results, "final")
    header, body = cells(made, report.lines)
    fedavg, median, other = (dict(zip(header, row, strict=True)) for row in body)
    assert fedavg["WGA"] == "62.0 ± 2.0 [a]"
    assert median["WGA"] == "52.0 ± 2.6 [a,b]"
    assert other["WGA"] == "62.2 ± 2.0"
    assert median["WGA drop"] == "10.0 ± 1.0 [a,b,c]"
    assert other["WGA drop"] == "-0.2 ± 1.0 [c]"
    assert report.notes[2:5] == [
        "[a] 1 of 2 rounds failed (FedAvg, seed 0; Median, seed 2).",
        "[b] A client's loss is no finite number in 2 of 2 rounds (Median, seed 2).",
        "[c] The baseline: 1 of 2 rounds failed (Median, <i>T&C_5%</i>, seed 0).",
    ]
    values = [cell.value for row in lay_out(made, report.lines)[1] for cell in row]
    assert 62.0 in values, "columns are sorted by their numbers as before"


def test_every_form_of_the_report_has_the_footnotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch)
    made, results = weak(tmp_path)
    write(made, results, "final")
    for name in ("report.md", "made.tex", "made.html"):
        text = (results / "reports" / "made" / name).read_text()
        plain = text.replace("\\", "").replace("{[}", "[").replace("{]}", "]")
        assert "[a] 1 of 2 rounds failed" in plain, name
        assert "62.0" in plain and "[a,b,c]" in plain, name
    summary = summary_frame(made, results)
    final = summary[summary["selection"] == "final"]["notes"].tolist()
    assert final[0] == "1 of 2 rounds failed"
    assert "a client's loss is no finite number in 2 of 2 rounds (seed 2)" in final[1]
    assert final[2] == "the baseline: 1 of 2 rounds failed (seed 0)"
    runs = frame(made, results)
    assert runs["notes"].notna().sum() == 2 * 3  # of two runs, under three selection rules


def test_n_stands_in_the_cells_of_columns_whose_rows_differ(tmp_path: Path) -> None:
    made, results = table(tmp_path), tmp_path / "results"
    fedavg, median, other = made.rows
    for experiment, groups in zip(fedavg.experiments, FEDAVG, strict=True):
        finish(experiment, results, groups, 70.0)
    for experiment, groups in zip(median.experiments[:2], MEDIAN, strict=False):
        finish(experiment, results, groups, 40.0)
    finish(other.experiments[0], results, FEDAVG[0])
    header, body = cells(made, make(made, results, "final").lines)
    by_row = [dict(zip(header, row, strict=True)) for row in body]
    assert [row["WGA"] for row in by_row] == [
        "62.0 ± 2.0 (n=3)", "50.5 ± 0.7 (n=2)", "60.0 (n=1)"
    ]  # fmt: skip
    assert [row["ASR"] for row in by_row] == ["70.0 ± 0.0 (n=3)", "40.0 ± 0.0 (n=2)", "–"]
    assert [row["WGA drop"] for row in by_row] == ["–", "10.5 ± 0.7 (n=2)", "0.0 (n=1)"]


def test_the_frame_says_where_a_drop_is_of_fewer_seeds(tmp_path: Path) -> None:
    made, results = full(tmp_path)
    base = made.rows[0].experiments[1]
    (results / base.id / "result.json").unlink()
    summary = summary_frame(made, results)
    median = summary[(summary["selection"] == "final") & (summary["METHOD"] == "Median")]
    assert median["n"].tolist() == [3] and median["wga_drop_n"].tolist() == [2]
    assert "wga_n" not in summary.columns, "said only where it differs from n"
