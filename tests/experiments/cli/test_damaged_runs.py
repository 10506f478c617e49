"""Commands on tables of which some runs are damaged or failed: named, left out, exit code 1."""

from pathlib import Path

import pytest

from experiments.tables.table import Table
from tests.experiments.command_line import fedgroup
from tests.experiments.finished_runs import TABLE, finish
from tests.experiments.finished_runs import table as table_of
from tests.experiments.report.tables import full


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Table, Path]:
    """Three finished runs, one row each, and their table made.yaml."""
    monkeypatch.setattr("experiments.figures.FIGURES", {})
    monkeypatch.setenv("COLUMNS", "300")
    return full(tmp_path, "[0]")


def test_one_damaged_run_blocks_nothing(made: tuple[Table, Path], tmp_path: Path) -> None:
    table, results = made
    whole = fedgroup("report", "made.yaml", cwd=tmp_path)
    assert whole.returncode == 0 and "Left out" not in whole.stdout
    median = results / table.rows[1].experiments[0].id
    for name in ("result.json", "spec.json", "rounds.jsonl"):
        before = (median / name).read_bytes()
        (median / name).write_bytes(b"")
        done = fedgroup("report", "made.yaml", cwd=tmp_path)
        assert done.returncode == 1, name
        assert f"Left out: Median: results/{median.name}: {name} " in done.stdout
        assert "delete the folder and run again" in done.stdout
        assert "60.0" in done.stdout, "FedAvg's numbers are there"
        text = (results / "reports" / "made" / "report.md").read_text()
        assert f"Left out: Median: results/{median.name}: {name} " in text
        state = fedgroup("status", "made.yaml", cwd=tmp_path)
        assert state.returncode == 0
        assert state.stdout.count("damaged") == 1 and state.stdout.count("done") == 2
        assert f"Median: results/{median.name}: {name} " in state.stdout
        again = fedgroup("run", "made.yaml", cwd=tmp_path)
        assert again.returncode == 1
        assert "3 runs, 2 done, 1 damaged" in again.stdout
        assert (median / name).read_bytes() == b"", "it is the user's to delete"
        (median / name).write_bytes(before)
    assert fedgroup("report", "made.yaml", cwd=tmp_path).returncode == 0


def test_a_damaged_environment_is_named_and_its_numbers_stay(
    made: tuple[Table, Path], tmp_path: Path
) -> None:
    table, results = made
    (results / table.rows[1].experiments[0].id / "env.json").write_text("")
    done = fedgroup("report", "made.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "env.json cannot be read: versions and machine are not known" in done.stdout
    assert "50.0" in done.stdout


def test_a_table_of_damaged_runs_alone_is_one_line(
    made: tuple[Table, Path], tmp_path: Path
) -> None:
    table, results = made
    for experiment in table.experiments():
        (results / experiment.id / "result.json").write_text("{")
    done = fedgroup("report", "made.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("fedgroup: no finished run of table made can be used. Left out: ")
    again = fedgroup("run", "made.yaml", cwd=tmp_path)
    assert again.returncode == 1
    assert again.stdout.count("Left out: ") == 3 and "3 runs, 0 done, 3 damaged" in again.stdout


def test_a_table_that_is_damaged_as_a_whole_blocks_no_other(
    made: tuple[Table, Path], tmp_path: Path
) -> None:
    _, results = made
    text = TABLE.replace("fraction: 0.5}", "fraction: 0.25}")
    other = table_of(tmp_path, "[0]", text, name="other")
    for experiment in other.experiments():
        finish(experiment, results, [90.0, 80.0, 60.0, 90.0])
        (results / experiment.id / "rounds.jsonl").unlink()
    done = fedgroup("report", "made.yaml", "other.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.count("rounds.jsonl is missing") == 3
    assert (results / "reports" / "made" / "report.md").exists()


UNTRAINED = TABLE.replace("rounds: 2, fraction: 0.5}", "rounds: 2, fraction: 0.5, max_norm: 1e-9}")


def test_a_run_in_which_nothing_was_trained_is_failed_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    text = UNTRAINED[: UNTRAINED.index("  - {label: {METHOD: Median}")] + "seeds: [0]\n"
    (tmp_path / "made.yaml").write_text(text)
    done = fedgroup("run", "made.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "✗ FedAvg" in done.stdout and "all 2 rounds failed, nothing was trained" in done.stdout
    assert "0 done" in done.stdout
    state = fedgroup("status", "made.yaml", cwd=tmp_path).stdout
    assert "failed" in state.splitlines()[2], state
    assert "FedAvg: all 2 rounds failed, nothing was trained; the last one: 0 valid" in state
