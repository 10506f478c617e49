"""Tables from the command line: run, run again, status, report; exit codes; the README's commands."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.experiments.command_line import TABLE, Done, fedgroup
from tests.fedgroup.data import fixtures
from tests.paths import ROOT


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A folder with a table, its finished runs and reports, and what the command printed."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "toy.yaml").write_text(TABLE.replace("ROUNDS", "4"))
    return folder, fedgroup("run", "toy.yaml", "--jobs", "2", cwd=folder)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once is enough: `finished` has drawn them."""
    monkeypatch.setattr("experiments.figures.FIGURES", {})


@pytest.mark.usefixtures("no_figures")
def test_run_status_report_and_again(finished: tuple[Path, Done]) -> None:
    folder, first = finished
    assert first.returncode == 0, first.stderr + first.stdout
    assert "4 runs, 0 done" in first.stdout
    reports = folder / "results" / "reports" / "toy"
    figures = {
        f"{name}.{end}"
        for name in ("curves", "drops", "groups", "influence")
        for end in ("svg", "pdf", "png")
    }
    assert {p.name for p in reports.iterdir()} == figures | {
        "report.md", "summary.csv", "runs.csv", "toy.html", "toy.tex"
    }  # fmt: skip
    text = (reports / "report.md").read_text()
    assert "n = 2 seed(s) of [0, 1]" in text
    assert "Selection: best_val_wga" in text
    summary = pd.read_csv(reports / "summary.csv")
    assert set(summary["selection"]) == {"best_val_wga", "final", "last10"}
    runs = pd.read_csv(reports / "runs.csv")
    assert len(runs) == 2 * 2 * 3
    # a drop is the difference of the two runs of one seed
    one = runs[(runs["selection"] == "final") & (runs["seed"] == 1)].set_index("METHOD")
    assert one.loc["Median", "wga_drop"] == pytest.approx(
        one.loc["FedAvg", "wga"] - one.loc["Median", "wga"]
    )
    again = fedgroup("run", "toy.yaml", cwd=folder)
    assert "4 runs, 4 done" in again.stdout
    assert again.stdout.count("✓") == 0
    state = fedgroup("status", "toy.yaml", cwd=folder).stdout
    assert state.count("done") == 4
    final = fedgroup("report", "toy.yaml", "--select", "final", cwd=folder)
    assert "Selection: final" in final.stdout


def test_json_of_a_result_is_strict(finished: tuple[Path, Done]) -> None:
    folder, first = finished
    assert first.returncode == 0

    def refuse(name: str) -> Any:
        raise AssertionError(name)

    for path in (folder / "results").glob("*/*.json"):
        json.loads(path.read_text(), parse_constant=refuse)


METHODS = """
title: Toy methods
base:
  task:
    data: {use: "tests.toy:ToyData", scale: 3}
    model: tests.toy:ToyModel
    attack: {use: dlbd, fraction: 0.05, side: 2, gap: 0}
    train: {epochs: 2, batch_size: 8, lr: 0.05}
rows:
  - {label: {METHOD: ERM, CASE: "-"}, set: {method: erm}}
  - {label: {METHOD: JTT, CASE: STANDARD}, set: {method: {use: jtt, identify_epochs: 1, upsample: 2}}}
  - {label: {METHOD: JTT, CASE: IDEAL}, set: {method: {use: jtt, identify_epochs: 1, upsample: 2, case: ideal}}}
columns: [wga, asr, idnf poisons, idnf LRG-1]
seeds: [0, 1]
"""


@pytest.mark.usefixtures("no_figures")
def test_a_table_of_methods(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(METHODS)
    done = fedgroup("run", "toy.yaml", "--jobs", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 runs in" in done.stdout
    again = fedgroup("run", "toy.yaml", cwd=tmp_path).stdout
    assert "6 runs, 6 done" in again
    report = (tmp_path / "results" / "reports" / "toy" / "report.md").read_text()
    assert "| METHOD | CASE | WGA | ASR | POISONS | LRG-1 |" in report
    assert "2 epochs of final training" in report
    runs = pd.read_csv(tmp_path / "results" / "reports" / "toy" / "runs.csv")
    assert {"idnf poisons", "idnf LRG-1", "asr"} <= set(runs.columns)
    status = fedgroup("status", "toy.yaml", cwd=tmp_path).stdout
    assert status.count("done") == 6


@pytest.mark.usefixtures("no_figures")
def test_one_failing_run_leaves_the_others_alone(tmp_path: Path) -> None:
    text = TABLE.replace("ROUNDS", "2") + "\n"
    text = text.replace("seeds: [0, 1]", "seeds: [0]").replace(
        "aggregator: median", "aggregator: {use: sparsefed, k: 5000}"
    )
    (tmp_path / "toy.yaml").write_text(text)
    done = fedgroup("run", "toy.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert "✗ Median" in done.stdout
    assert "D = 126 coordinates" in done.stdout
    assert "not run" in done.stdout  # the row is marked, the other is reported


@pytest.mark.usefixtures("no_figures")
def test_table9_on_a_waterbirds_fixture(tmp_path: Path) -> None:
    """The README's command for the real data set, on a tiny copy in the exact on-disk format."""
    root = fixtures.waterbirds(tmp_path / "wb", per_pair=2, groups=[0] * 11 + [1, 2, 3, 3, 3, 3])
    settings = (
        "task.data.allow_variant=true", "task.data.size=32", "task.model.init=scratch",
        "task.partition.clients=5", "task.train.epochs=1", "task.train.batch_size=16",
        "federation.fraction=1.0", "federation.rounds=1",
    )  # fmt: skip
    tiny = [part for setting in settings for part in ("--set", setting)]
    words = ["run", "table9", "--data", "waterbirds", "--root", str(root)]
    done = fedgroup(*words, "--seeds", "0", *tiny, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Data waterbirds, scale paper, model ResNet18 (11,177,538 parameters)" in done.stdout
    assert "7 runs" in done.stdout
    refused = fedgroup(*words, cwd=tmp_path)
    assert refused.returncode == 2
    assert "group counts train 22/2/2/8" in refused.stderr


@pytest.mark.usefixtures("no_figures")
def test_the_readmes_rule_in_one_file(tmp_path: Path) -> None:
    """The example of the README, checked and run beside the others from the current folder."""
    (tmp_path / "toy.yaml").write_text(TABLE.replace("ROUNDS", "4"))
    readme = (ROOT / "README.md").read_text()
    code = readme.split("```python\n# my_rules.py")[1].split("```")[0].split("\n", 1)[1]
    (tmp_path / "my_rules.py").write_text(code)
    assert "all checks passed" in fedgroup("check", "my_rules:HalfMedian", cwd=tmp_path).stdout
    done = fedgroup(
        "run", "toy.yaml", "--rule", "my_rules:HalfMedian", "--rule", "{use: krum, f: 0}", "--seeds", "0",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    summary = pd.read_csv(tmp_path / "results" / "reports" / "toy" / "summary.csv")
    assert set(summary["METHOD"]) == {"FedAvg", "Median", "HalfMedian", "Krum (f=0)"}
    final = summary[summary["selection"] == "final"].set_index("METHOD")
    expected = final.loc["FedAvg", "wga"] - final.loc["HalfMedian", "wga"]
    assert final.loc["HalfMedian", "wga_drop"] == pytest.approx(expected)
