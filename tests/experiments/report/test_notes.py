"""The notes under a table."""

from pathlib import Path

from experiments.report import table_notes
from experiments.results.measurements import lines
from experiments.tables.labels import which
from tests.experiments.finished_runs import GROUPS, TIERS, finish, table
from tests.experiments.report.tables import FEDAVG, SEVERAL


def test_the_footer_names_the_rows_that_differ(tmp_path: Path) -> None:
    made, results = table(tmp_path, "[0]", SEVERAL), tmp_path / "results"
    for experiment in made.experiments():
        finish(experiment, results, FEDAVG[0], 10.0)
    notes = table_notes(made, lines(made, results, "final"), results, "final")
    assert sum(note.startswith("Data toy, ") for note in notes) == 1
    assert any(note.startswith("Training (JTT): 5 epochs") for note in notes)
    assert any(note.startswith("Training (GEORGE): 12 epochs") for note in notes)
    assert any(
        note.startswith("Attack (JTT): Backdoor") and "attack seed 0" in note for note in notes
    )
    assert any(
        note.startswith("Attack (GEORGE): Backdoor") and "attack seed 7" in note for note in notes
    )
    assert which(made.rows[:1], made.rows) == "JTT, A"


def test_what_acc_is_depends_on_the_data(tmp_path: Path) -> None:
    text = SEVERAL.replace("asr, idnf poisons", "asr, acc_paper, idnf poisons")
    made, results = table(tmp_path, "[0]", text), tmp_path / "results"
    celeba, *others = made.rows
    raw = {"name": "celeba", "groups": GROUPS, "tiers": TIERS, "train_counts": [40, 8, 4, 28]}
    finish(celeba.experiments[0], results, FEDAVG[0], 10.0, dataset=raw)
    for row in others:
        finish(row.experiments[0], results, FEDAVG[0], 10.0)
    found = lines(made, results, "final")
    notes = table_notes(made, found, results, "final")
    [selection] = [note for note in notes if note.startswith("Selection: final. ACC")]
    assert "ACC (JTT, A): plain test accuracy, the paper's convention on these data." in selection
    assert "ACC (JTT, B; GEORGE, A): weighted by the training proportions" in selection
    rates = [line.values["acc_paper"] for line in found]
    assert rates == [[80.0], [90.0], [90.0]]  # raw: (90 + 80 + 60 + 90) / 4
