"""What is run of several tables."""

import io

from rich.console import Console

from experiments.experiment import Experiment
from experiments.launch.run_tables import distinct_runs, prepare
from experiments.tables.load import load
from experiments.tables.shipped import paper_tables
from tests.toy import experiment


def test_tables_that_share_a_run_run_it_once() -> None:
    assert paper_tables() == [*(f"table{number}" for number in range(1, 13)), "figure1"]
    tables = [load(name, seeds=[0]) for name in paper_tables()]
    runs = distinct_runs(tables)
    assert len({experiment.id for experiment, _ in runs}) == len(runs)
    assert len(runs) < sum(len(distinct_runs([table])) for table in tables) - 15
    labels = dict((label, experiment.id) for experiment, label in runs)
    assert labels["table1: JTT, WATERBIRDS, DLBD"] == tables[1].rows[1].experiments[0].id


def test_a_rule_that_its_settings_make_another_is_said_before_the_runs() -> None:
    plain = {"use": "trimmed_mean", "trim": 0}
    runs = [Experiment.of(experiment(federation__aggregator=rule)) for rule in (plain, "median")]
    out = io.StringIO()
    prepare(runs, Console(file=out, width=200), threads=1)
    assert out.getvalue().count("TrimmedMean is here FedAvg (trim 0).") == 1
    assert "Median" not in out.getvalue()
