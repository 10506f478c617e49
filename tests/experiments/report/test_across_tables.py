"""What several tables say together."""

from pathlib import Path

from experiments.report.across_tables import overall
from experiments.results.measurements import lines
from tests.experiments.finished_runs import finish, table
from tests.experiments.report.tables import FEDAVG, MEDIAN, SEVERAL


def test_what_several_tables_say_together_of_the_cases(tmp_path: Path) -> None:
    text = SEVERAL.replace("CASE: A", "CASE: STANDARD").replace("CASE: B", "CASE: IDEAL")
    made, results = table(tmp_path, "[0, 1]", text), tmp_path / "results"
    standard, ideal, _ = made.rows
    for place, rate in enumerate((60.0, 64.0)):
        finish(standard.experiments[place], results, MEDIAN[place], rate)
        finish(ideal.experiments[place], results, FEDAVG[place], 1.0)
    found = lines(made, results, "final")
    assert overall([(made, found)]) == []
    assert overall([(made, found), (made, found)]) == [
        "JTT, the standard case against the ideal one, 1 setting: attack success 61.0 points higher; WGA 10.5 points "
        "lower; ACC unchanged."
    ]
