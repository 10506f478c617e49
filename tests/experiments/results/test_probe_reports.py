"""Reports of probes are bound to the run that they measured."""

import json
import math
from pathlib import Path
from typing import Any

from experiments.report import make
from experiments.results.probe_reports import (
    MEASURED,
    measured_model,
    probe_numbers,
    probe_remarks,
    probe_report,
)
from fedgroup.runs.record_digests import bound_to
from tests.experiments.finished_runs import finish, table
from tests.experiments.report.tables import FEDAVG


def probed(folder: Path, **report: Any) -> Path:
    """A finished run with a model and the report of a probe."""
    made, results = table(folder, "[0]"), folder / "results"
    experiment = made.rows[0].experiments[0]
    finish(experiment, results, FEDAVG[0], 40.0)
    run = results / experiment.id
    (run / "best.npz").write_bytes(b"a model")
    stored = json.loads((run / "result.json").read_text()) | bound_to(run)
    (run / "result.json").write_text(json.dumps(stored))
    whole = {"values": {"gap": 3.0}, MEASURED: measured_model(run, stored)} | report
    (run / "probe-strip.json").write_text(json.dumps(whole))
    return run


def test_a_report_of_this_run_is_read(tmp_path: Path) -> None:
    run = probed(tmp_path)
    assert probe_numbers(run) == {"gap": 3.0}
    assert probe_remarks(run) == []


def test_a_report_of_another_run_or_model_is_left_out_and_named(tmp_path: Path) -> None:
    for kind, measured in (
        ("run", {"run": "0" * 12, "best.npz": None}),
        ("model", {"run": "x", "best.npz": "0" * 64}),
    ):
        (tmp_path / kind).mkdir()
        run = probed(tmp_path / kind, **{MEASURED: measured})
        assert probe_report(run / "probe-strip.json") is None and probe_numbers(run) == {}
        (remark,) = probe_remarks(run)
        assert remark.startswith(
            f"{run / 'probe-strip.json'} measured another run or another model"
        )
        made = table(tmp_path / kind, "[0]")
        report = make(made, tmp_path / kind / "results", "final")
        assert report.problems == [f"FedAvg: {remark}."]
        assert report.lines[0].runs[0] is not None, "the run's own numbers stay"


def test_numbers_that_are_none_and_torn_files_are_left_out(tmp_path: Path) -> None:
    run = probed(tmp_path, values={"gap": math.nan})
    assert "probe-strip.json: gap is not a finite number" in probe_remarks(run)[0]
    for text in ("", "[]", '{"values": 1}'):
        (run / "probe-strip.json").write_text(text)
        assert probe_numbers(run) == {}
        assert "probe-strip.json cannot be read" in probe_remarks(run)[0]


def test_a_report_of_0_1_0_is_read(tmp_path: Path) -> None:
    run = probed(tmp_path)
    report = json.loads((run / "probe-strip.json").read_text())
    del report[MEASURED]
    (run / "probe-strip.json").write_text(json.dumps(report))
    assert probe_numbers(run) == {"gap": 3.0} and probe_remarks(run) == []
