"""The printed table and its numbers."""

from pathlib import Path

import pytest

from experiments.report import cells
from experiments.results.measurements import lines, measured
from tests.experiments.finished_runs import finish, table
from tests.experiments.report.tables import FEDAVG, SEVERAL, full


def test_groups_have_values_and_drops(tmp_path: Path) -> None:
    made, results = full(tmp_path)
    values = measured(made.rows[1].experiments[0], results, "final")
    assert values is not None
    assert values["group b0"] == 50.0
    assert "group b0" not in (measured(made.rows[1].experiments[0], results, "last10") or {})
    drops = lines(made, results, "final")[1].drops or {}
    assert drops["group a1"].spread.mean == pytest.approx((1 + 0 + 2) / 3)


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
