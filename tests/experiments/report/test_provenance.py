"""Where a table's numbers come from."""

from pathlib import Path

from experiments.experiment import Experiment
from experiments.report.provenance import as_yaml, provenance
from fedgroup.settings.overrides import parse_yaml
from tests.experiments.report.tables import full


def test_provenance_lists_every_run_and_its_settings_read_back(tmp_path: Path) -> None:
    made, results = full(tmp_path, "[0, 1]")
    runs = provenance(made, results)
    assert {run.run for run in runs} == {e.id for e in made.experiments()}
    assert {(run.commit, run.seconds, run.threads) for run in runs} == {("abc1234", 3.0, "1")}
    for run, experiment in zip(runs, made.experiments(), strict=True):
        assert Experiment.of(parse_yaml(run.spec, "spec")).id == experiment.id
    odd = {
        "a": 1e-05,
        "b": "no",
        "c": {"d": [1, 2.5, None], "e f": "x: y"},
        "g": {},
        "h": True,
        "i": "1e5",
        "j": 1e22,
    }
    assert parse_yaml(as_yaml(odd), "odd") == odd
