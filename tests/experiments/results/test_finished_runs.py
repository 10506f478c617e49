"""Records are bound to their run: what cannot be trusted is left out and named, the rest reported."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.experiment import Experiment
from experiments.report import lines, make
from experiments.report.provenance import provenance
from experiments.results.finished_runs import reason, refusal, remarks, result, run_state, seconds
from experiments.results.spec_check import check_named
from experiments.results.weak_rows import OTHER_DATA
from fedgroup.runs.record_digests import FILES, RUN, bound_to
from tests.experiments.finished_runs import TABLE, finish, table
from tests.experiments.report.tables import FEDAVG, full

Spoil = Callable[[Path], None]


def rewrite(folder: Path, **changes: Any) -> None:
    path = folder / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def of_selection(folder: Path, rule: str, **changes: Any) -> None:
    stored = json.loads((folder / "result.json").read_text())
    stored["selection"][rule] |= changes
    rewrite(folder, selection=stored["selection"])


def respec(folder: Path) -> None:
    spec = json.loads((folder / "spec.json").read_text())
    spec["federation"]["rounds"] = 7
    (folder / "spec.json").write_text(json.dumps(spec))


def write(name: str, text: str) -> Spoil:
    return lambda folder: (folder / name).write_text(text) and None


def cut(folder: Path) -> None:
    path = folder / "rounds.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


DAMAGE: dict[str, tuple[Spoil, str]] = {
    "empty result": (write("result.json", ""), "result.json cannot be read (Expecting value"),
    "torn result": (write("result.json", '{"run": '), "result.json cannot be read"),
    "result of a list": (write("result.json", "[]"), "result.json holds no result"),
    "no selection": (write("result.json", "{}"), "result.json: selection: field required"),
    "wga NaN": (lambda f: of_selection(f, "final", wga=float("nan")), "selection.final.wga is not"),
    "acc infinite": (lambda f: of_selection(f, "last10", acc=float("inf")), "last10.acc is not"),
    "wga 101": (lambda f: of_selection(f, "final", wga=101), "selection.final.wga: input should"),
    "wga as text": (lambda f: of_selection(f, "final", wga="60"), "final.wga: input should be"),
    "wga not the worst": (lambda f: of_selection(f, "final", wga=70.0), "the worst group has 60"),
    "acc beyond": (lambda f: of_selection(f, "final", acc=95.0), "acc is 95, the groups have 60"),
    "a group too few": (lambda f: of_selection(f, "final", groups=[60.0]), "1 rates of 4 groups"),
    "a late round": (lambda f: of_selection(f, "final", round=3), "selection.final: round 3 of 2"),
    "more failed": (lambda f: rewrite(f, failed_rounds=3), "3 failed rounds of 2 rounds"),
    "other length": (lambda f: rewrite(f, rounds=3), "of 3 rounds, its settings say 2"),
    "nan deep inside": (lambda f: rewrite(f, extra=[{"x": float("nan")}]), "extra.0.x is not a"),
    "other run": (lambda f: rewrite(f, **{RUN: "0" * 12}), "result.json is that of run '0000"),
    "no digests": (lambda f: rewrite(f, **{FILES: {}}), "has no digest of rounds.jsonl"),
    "cut rounds": (cut, "rounds.jsonl is not the file that its result.json was made of"),
    "garbage rounds": (write("rounds.jsonl", "\0\0"), "rounds.jsonl is not the file"),
    "no rounds": (lambda f: (f / "rounds.jsonl").unlink(), "rounds.jsonl is missing"),
    "no clients": (lambda f: (f / "clients.jsonl").unlink(), "clients.jsonl is missing"),
    "other partition": (write("partition.csv", "client"), "partition.csv is not the file"),
    "no model": (lambda f: (f / "best.npz").unlink(), "best.npz is missing"),
    "empty spec": (write("spec.json", ""), "spec.json cannot be read"),
    "no spec": (lambda f: (f / "spec.json").unlink(), "spec.json cannot be read (No such file"),
    "spec without settings": (write("spec.json", "{}"), "spec.json is of other settings"),
    "other spec": (respec, "spec.json is of other settings (federation.rounds was 7, is 2 now"),
}


def recorded(experiment: Experiment, results: Path) -> None:
    """A finished run with every kind of record file."""
    finish(experiment, results, FEDAVG[0], 40.0)
    folder = results / experiment.id
    for name in ("clients.jsonl", "partition.csv", "poisons.csv", "best.npz", "selections.jsonl"):
        (folder / name).write_text(f"{name} of {experiment.id}\n")
    rewrite(folder, **bound_to(folder))


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_run_is_left_out_and_named(kind: str, tmp_path: Path) -> None:
    made, results = table(tmp_path, "[0]"), tmp_path / "results"
    for experiment in made.experiments():
        recorded(experiment, results)
    spoilt = made.rows[1].experiments[0]
    assert run_state(spoilt, results) == "done" and refusal(spoilt, results) == ""
    spoil, text = DAMAGE[kind]
    spoil(results / spoilt.id)
    assert result(spoilt, results) is None
    assert text in refusal(spoilt, results), refusal(spoilt, results)
    assert refusal(spoilt, results).startswith(f"{results / spoilt.id}: ")
    assert "delete the folder and run again" in refusal(spoilt, results)
    assert run_state(spoilt, results) == "damaged"
    assert reason(spoilt, results) == refusal(spoilt, results)
    report = make(made, results, "final")
    assert report.problems == [f"Left out: Median: {refusal(spoilt, results)}."]
    assert report.sentences[0] == report.problems[0]
    assert [any(line.runs) for line in report.lines] == [True, False, True]


def test_the_result_of_another_seed_is_no_second_seed(tmp_path: Path) -> None:
    made, results = table(tmp_path, "[0, 1]"), tmp_path / "results"
    one, two = made.rows[0].experiments
    recorded(one, results)
    shutil.copytree(results / one.id, results / two.id)
    assert "spec.json is of other settings (task.seed was 0, is 1 now)" in refusal(two, results)
    (results / two.id / "spec.json").write_text(json.dumps(two.spec()))
    assert f"its result.json is that of run '{one.id}'" in refusal(two, results)
    assert lines(made, results, "final")[0].runs[1] is None


def of_old(experiment: Experiment, results: Path, last: list[int]) -> Path:
    """A run as 0.1.0 left it, its numbers those of its rounds: 10 samples per group."""
    rates = [10.0 * n for n in last]
    weights = [40, 8, 4, 28]
    weighted = sum(w * r for w, r in zip(weights, rates, strict=True)) / sum(weights)
    finish(experiment, results, rates)
    folder = results / experiment.id
    for rule in ("best_val_wga", "final", "last10"):
        of_selection(folder, rule, acc_adjusted=weighted)
    counts = {"correct": last, "total": [10] * 4}
    rows = [{"round": r, "test": counts, "val": counts} for r in range(3)]
    (folder / "rounds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    stored = json.loads((folder / "result.json").read_text())
    (folder / "result.json").write_text(
        json.dumps({key: value for key, value in stored.items() if key not in (RUN, FILES)})
    )
    return folder


def test_runs_of_0_1_0_are_read_and_the_report_says_so(tmp_path: Path) -> None:
    made, results = table(tmp_path, "[0, 1]"), tmp_path / "results"
    one, two = made.rows[0].experiments
    of_old(one, results, [9, 8, 6, 9])
    finish(two, results, FEDAVG[1])
    assert (result(one, results) or {})["selection"]["final"]["wga"] == 60.0
    notes = make(made, results, "final").notes
    assert any(note.startswith("1 of 2 runs carry no digests of their records") for note in notes)


def test_a_run_of_0_1_0_must_have_the_numbers_of_its_rounds(tmp_path: Path) -> None:
    made, results = table(tmp_path, "[0, 1]"), tmp_path / "results"
    one, two = made.rows[0].experiments
    first, second = of_old(one, results, [9, 8, 6, 9]), of_old(two, results, [9, 8, 7, 9])
    assert not refusal(two, results)
    shutil.copy(first / "result.json", second / "result.json")
    assert "wga is 60, by rounds.jsonl 70" in refusal(two, results)
    cut(first)
    assert "2 lines and ends at round 1, expected rounds 0 to 2" in refusal(one, results)
    (first / "rounds.jsonl").write_text("{]\n")
    assert "rounds.jsonl has a damaged line 1" in refusal(one, results)


def test_what_is_damaged_beside_the_numbers_takes_none_away(tmp_path: Path) -> None:
    made, results = full(tmp_path, "[0]")
    run = made.rows[0].experiments[0]
    for text in ("", "[]", '{"packages": 1}'):
        (results / run.id / "env.json").write_text(text)
        assert remarks(run, results) == [
            f"{results / run.id / 'env.json'} cannot be read: versions and machine are not known"
        ]
        report = make(made, results, "final")
        assert len(report.problems) == 1 and report.lines[0].runs[0] is not None
        assert provenance(made, results)[0].threads == "not recorded"
        assert "torch not recorded, 2.0" in report.notes[-1]
    (results / run.id / "timing.jsonl").write_text("[1]\n")
    assert seconds(run, results) == 0.0
    assert "timing.jsonl is damaged" in remarks(run, results)[1]
    assert len(make(made, results, "final").problems) == 2


def test_seeds_of_different_data_are_named(tmp_path: Path) -> None:
    made, results = full(tmp_path, "[0, 1]")
    run = made.rows[1].experiments[1]
    stored = json.loads((results / run.id / "result.json").read_text())
    rewrite(results / run.id, dataset=stored["dataset"] | {"train_counts": [40, 8, 5, 28]})
    line = lines(made, results, "final")[1]
    assert line.weak == {OTHER_DATA: (0, 1)}
    assert list(line.weak_drops.values()) == [(1,)]


@pytest.mark.parametrize("method", ["erm", "{use: erm, eval_every: 2}", "jtt", "group_dro"])
def test_the_spec_of_every_method_is_its_own(method: str, tmp_path: Path) -> None:
    text = TABLE.replace("set: {}", f"set: {{method: {method}}}").split("  - {label: {METHOD: Med")[
        0
    ]
    made, results = table(tmp_path, "[0]", text + "seeds: [0]\n"), tmp_path / "results"
    (run,) = made.experiments()
    finish(run, results, FEDAVG[0])
    assert refusal(run, results) == ""
    assert check_named(results / run.id) is None
