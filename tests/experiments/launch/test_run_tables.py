"""What is run of several tables."""

from experiments.launch.run_tables import distinct_runs
from experiments.tables.load import load
from experiments.tables.shipped import paper_tables


def test_tables_that_share_a_run_run_it_once() -> None:
    assert paper_tables() == [*(f"table{number}" for number in range(1, 13)), "figure1"]
    tables = [load(name, seeds=[0]) for name in paper_tables()]
    runs = distinct_runs(tables)
    assert len({experiment.id for experiment, _ in runs}) == len(runs)
    assert len(runs) < sum(len(distinct_runs([table])) for table in tables) - 15
    labels = dict((label, experiment.id) for experiment, label in runs)
    assert labels["table1: JTT, WATERBIRDS, DLBD"] == tables[1].rows[1].experiments[0].id
