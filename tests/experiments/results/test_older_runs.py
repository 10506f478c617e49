"""A finished run whose code or files have changed since is named, and used with --stale alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.experiment import Experiment
from experiments.results.finished_runs import refusal, result
from experiments.results.older_runs import OlderRuns, changes, keeping, kept_note
from experiments.tables.load import load
from experiments.tables.table import Table
from fedgroup.identity import run_identity as identity_module
from fedgroup.identity.data_files import look_again
from fedgroup.identity.settings_id import settings_id
from tests.experiments.command_line import fedgroup
from tests.experiments.finished_runs import finish
from tests.fedgroup.foreign import RULE, Forget, importable, write

TEXT = """
title: Rules
base:
  task: {data: "tests.toy:ToyData", model: "tests.toy:ToyModel", partition: {use: iid, clients: 8}}
  federation: {rounds: 2, fraction: 0.5}
rows:
  - {label: {METHOD: FedAvg}, set: {}}
  - {label: {METHOD: Mine}, set: {federation: {aggregator: "rule_c:Rule"}}}
seeds: [0, 1]
"""
CHANGED = "rule_c.py has changed since these runs: run again or keep with --stale (Mine seed 0, Mine seed 1)"


@pytest.fixture
def place(tmp_path: Path) -> Any:
    """A folder with a table and a rule of the user's."""
    write(tmp_path, {"t.yaml": TEXT, "rule_c.py": RULE})
    with importable(tmp_path) as forget:
        yield tmp_path, forget


def table(folder: Path) -> Table:
    look_again()
    return load(str(folder / "t.yaml"))


def finished(folder: Path) -> Table:
    made = table(folder)
    for run in made.experiments():
        mine = "rule_c" in json.dumps(run.to_dict())
        finish(run, folder / "results", [70.0, 60, 50, 80] if mine else [90.0, 80, 75, 85])
    return made


def edit(folder: Path, forget: Forget) -> None:
    (folder / "rule_c.py").write_text(RULE.replace("np.mean", "np.median"))
    forget()


def test_nothing_changed_nothing_said(place: tuple[Path, Forget]) -> None:
    folder, forget = place
    finished(folder)
    forget()
    again = table(folder)
    assert changes([again], folder / "results") == []
    assert all(result(run, folder / "results") for run in again.experiments())


def test_an_edited_rule_is_named_and_its_numbers_are_not_used(place: tuple[Path, Forget]) -> None:
    folder, forget = place
    old = finished(folder)
    edit(folder, forget)
    now = table(folder)
    assert [line.split(" (")[0] for line in changes([now], folder / "results")] == [
        CHANGED.split(" (")[0]
    ]
    assert [bool(result(run, folder / "results")) for run in now.experiments()] == [True] * 2 + [
        False
    ] * 2
    older = OlderRuns(folder / "results").of(now.rows[1].experiments[0].identity)
    assert older is not None and older.folder.name == old.rows[1].experiments[0].id
    finish(now.rows[1].experiments[0], folder / "results", [1.0, 2, 3, 4])
    kept = keeping(now, folder / "results")
    ids = [run.id for run in kept.rows[1].experiments]
    assert ids == [now.rows[1].experiments[0].id, old.rows[1].experiments[1].id]


def test_the_commands_name_it_and_keep_it(
    place: tuple[Path, Forget], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.figures.FIGURES", {})
    folder, forget = place
    finished(folder)
    edit(folder, forget)

    def said(*arguments: str) -> str:
        done = fedgroup(*arguments, cwd=folder)
        assert done.returncode == 0, done.stderr
        return " ".join(done.stdout.split())

    told = said("status", "t.yaml")
    assert told.count("changed: rule_c.py") == 2 and CHANGED in told
    told = said("status", "t.yaml", "--stale")
    assert told.count("done, kept: made before rule_c.py changed") == 2 and CHANGED not in told
    assert CHANGED in said("report", "t.yaml")
    assert "50.0" not in (folder / "results/reports/t/report.md").read_text()
    assert CHANGED not in said("report", "t.yaml", "--stale")
    report = (folder / "results/reports/t/report.md").read_text()
    assert "50.0" in report and "made before rule_c.py changed" in report
    assert "4 runs, 4 done" in said("run", "t.yaml", "--stale")


def test_data_and_our_own_arithmetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "parts.json").write_text("[[0]]")

    def run() -> Experiment:
        look_again()
        lists = {"use": "lists", "file": str(tmp_path / "parts.json")}
        made = Experiment.of({"task": {"partition": lists}, "federation": {"rounds": 2}})
        assert made.id
        return made

    finish(run(), tmp_path, [90.0, 80, 75, 85])
    runs = OlderRuns(tmp_path)
    assert result(run(), tmp_path) and runs.of(run().identity) is None
    (tmp_path / "parts.json").write_text("[[1]]")
    older = runs.of(run().identity)
    assert older is not None and older.changed == ("files of task.partition",)
    monkeypatch.setitem(identity_module.RESULTS_VERSION, "fedgroup.train", 2)
    older = runs.of(run().identity)
    assert older is not None and older.changed[1] == "fedgroup's results_version of fedgroup.train"
    assert result(run(), tmp_path) is None


def test_a_run_of_earlier_versions_recorded_neither(place: tuple[Path, Forget]) -> None:
    """Its directory has the name of its settings alone, and no identity in its spec."""
    folder, _ = place
    run = table(folder).rows[1].experiments[0]
    finish(run, folder / "results", [70.0, 60, 50, 80])
    plain = folder / "results" / settings_id({"task": run.task, "federation": run.federation})
    (folder / "results" / run.id).rename(plain)
    (plain / "spec.json").write_text(json.dumps(run.to_dict()))
    stored = json.loads((plain / "result.json").read_text())
    (plain / "result.json").write_text(json.dumps(stored | {"run": plain.name}))
    older = OlderRuns(folder / "results").of(run.identity)
    assert older is not None and older.folder == plain and "rule_c.py" in older.changed
    kept = keeping(table(folder), folder / "results").rows[1].experiments[0]
    assert kept.id == plain.name and "rule_c.py" in kept_note(kept)
    assert result(kept, folder / "results") and not result(run, folder / "results")


def test_a_changed_default_is_named_and_kept_with_stale(tmp_path: Path) -> None:
    run = Experiment.of({"federation": {"rounds": 2}})
    finish(run, tmp_path, [90.0, 80, 75, 85])
    spec = run.spec()
    spec["task"]["train"]["lr"] = 0.123
    (tmp_path / run.id / "spec.json").write_text(json.dumps(spec))
    assert result(run, tmp_path) is None
    assert "task.train.lr was 0.123" in refusal(run, tmp_path)
    keep: Callable[..., str] = OlderRuns(tmp_path)
    kept = Experiment(run.task, run.federation, kept=keep)
    assert kept.id == run.id and result(kept, tmp_path) is not None
    assert kept_note(kept).startswith("made with other defaults (task.train.lr was 0.123")


def test_the_newest_of_several_is_kept(place: tuple[Path, Forget]) -> None:
    folder, forget = place
    names = []
    for text in (RULE, RULE + "# 1\n", RULE + "# 2\n"):
        (folder / "rule_c.py").write_text(text)
        forget()
        run = table(folder).rows[1].experiments[0]
        finish(run, folder / "results", [70.0, 60, 50, 80])
        names.append(run.id)
    edit(folder, forget)
    older = OlderRuns(folder / "results").of(table(folder).rows[1].experiments[0].identity)
    assert len(set(names)) == 3 and older is not None and older.folder.name == names[-1]


def test_damaged_specs_are_no_older_runs(place: tuple[Path, Forget]) -> None:
    folder, forget = place
    for number, run in enumerate(finished(folder).experiments()):
        text = ("", "[]", '{"identity": 3}', '{"identity": {"settings": []}}')[number]
        (folder / "results" / run.id / "spec.json").write_text(text)
    edit(folder, forget)
    assert changes([table(folder)], folder / "results") == []
