"""A probe of the user's: a report of it counts as long as the probe is what it was."""

import json
from pathlib import Path
from typing import Any

from experiments.experiment import Experiment
from experiments.results import probe_reports
from experiments.results.probe_reports import probe_numbers, probe_remarks
from experiments.results.probe_values import component, measure, measured_by
from fedgroup.identity.results_version import RESULTS_VERSION
from fedgroup.probes.strip_probe import StripProbe
from tests.experiments.finished_runs import finish
from tests.fedgroup.foreign import importable, write

PROBE = """
from dataclasses import dataclass


@dataclass(frozen=True)
class Mine:
    times: int = 1

    def run(self, folder):
        return {"values": {"mine": 1.0 * self.times}}
"""


def run(folder: Path) -> Path:
    experiment = Experiment.of({"federation": {"rounds": 2}})
    finish(experiment, folder, [90.0, 80, 75, 85])
    return folder / experiment.id


def test_an_edited_probe_has_not_measured(tmp_path: Path) -> None:
    folder = run(tmp_path / "results")
    with importable(write(tmp_path, {"probe_d.py": PROBE, "other_d.py": PROBE})) as forget:
        measure(component("probe_d:Mine", ""), folder)
        assert probe_numbers(folder) == {"mine": 1.0} and probe_remarks(folder) == []
        assert measured_by(component("probe_d:Mine", ""), folder)
        assert not measured_by(component({"use": "probe_d:Mine", "times": 2}, ""), folder)
        assert not measured_by(component("other_d:Mine", ""), folder)  # the same file and settings
        (tmp_path / "probe_d.py").write_text(PROBE.replace("1.0 *", "2.0 *"))
        forget()
        probe_reports._READ.clear()
        assert not measured_by(component("probe_d:Mine", ""), folder)
        assert probe_numbers(folder) == {}
        assert "the probe that measured it has changed since" in probe_remarks(folder)[0]
        measure(component("probe_d:Mine", ""), folder)
        assert probe_numbers(folder) == {"mine": 2.0}
        (tmp_path / "probe_d.py").unlink()
        forget()
        probe_reports._READ.clear()
        assert probe_numbers(folder) == {}  # nobody can say what measured it


def test_ours_count_by_their_version_and_reports_of_earlier_ones_are_read(
    tmp_path: Path, monkeypatch: Any
) -> None:
    folder = run(tmp_path)
    report = {"settings": component("strip", "").__dict__, "values": {"x": 1.0}}
    (folder / "probe-strip.json").write_text(json.dumps(report))
    assert measured_by(StripProbe(), folder)
    monkeypatch.setitem(RESULTS_VERSION, "fedgroup.probes", 2)
    assert not measured_by(StripProbe(), folder)
