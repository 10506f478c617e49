"""Figures of eliminations and of separability."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from experiments.report import write
from fedgroup.probes.separability import compare
from fedgroup.seeding import rng
from tests.experiments.finished_runs import finish, table
from tests.experiments.report.tables import FEDAVG, SEVERAL, only


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
