"""The command line as a person uses it: real processes, exit codes, one-line errors, kill and resume."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from experiments.__main__ import main
from tests.fedgroup.data import fixtures
from tests.paths import ROOT

TABLE = """
title: A toy table
base:
  task:
    data: tests.toy:ToyData
    model: tests.toy:ToyModel
    partition: {use: iid, clients: 8}
    train: {epochs: 1, batch_size: 4}
  federation: {rounds: ROUNDS, fraction: 0.5}
rows:
  - {label: {METHOD: FedAvg, "IID?": "yes"}, set: {}}
  - {label: {METHOD: Median, "IID?": "yes"}, set: {federation: {aggregator: median}}}
seeds: [0, 1]
"""


def fedgroup(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        [sys.executable, "-m", "experiments", *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "toy.yaml"
    path.write_text(TABLE.replace("ROUNDS", "4"))
    return path


def files(folder: Path) -> dict[str, bytes]:
    kept = ("rounds.jsonl", "clients.jsonl", "partition.csv", "result.json", "best.npz")
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in folder.glob("*/*") if p.name in kept
    }


def test_run_status_report_and_again(table: Path, tmp_path: Path) -> None:
    first = fedgroup("run", str(table), "--jobs", "2", cwd=tmp_path)
    assert first.returncode == 0, first.stderr + first.stdout
    assert "4 runs, 0 done" in first.stdout
    reports = tmp_path / "results" / "reports" / "toy"
    figures = {
        f"{name}.{end}"
        for name in ("curves", "groups", "influence")
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
    again = fedgroup("run", str(table), cwd=tmp_path)
    assert "4 runs, 4 done" in again.stdout
    assert again.stdout.count("✓") == 0
    state = fedgroup("status", str(table), cwd=tmp_path).stdout
    assert state.count("done") == 4
    final = fedgroup("report", str(table), "--select", "final", cwd=tmp_path)
    assert "Selection: final" in final.stdout


@pytest.mark.timeout(900)
def test_a_killed_run_is_continued_to_the_same_bytes(table: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    slow = TABLE.replace("ROUNDS", "60").replace("epochs: 1", "epochs: 3")
    table.write_text(slow)
    assert fedgroup("run", str(table), "--results", str(whole), cwd=tmp_path).returncode == 0
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "experiments", "run", str(table), "--results", str(cut)]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True,
                               stdout=subprocess.DEVNULL)  # fmt: skip
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        lines = [p.read_bytes().count(b"\n") for p in cut.glob("*/rounds.jsonl")]
        if any(10 < n < 50 for n in lines):
            break
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)  # parent, fork server and workers alike
    process.wait()
    assert (
        "interrupted" in fedgroup("status", str(table), "--results", str(cut), cwd=tmp_path).stdout
    )
    assert fedgroup("run", str(table), "--results", str(cut), cwd=tmp_path).returncode == 0
    assert files(cut) == files(whole)


@pytest.mark.timeout(600)
def test_two_workers_killed_and_continued_in_process_give_the_same_bytes(
    table: Path, tmp_path: Path
) -> None:
    """On Ray, killed with everything it started, continued on a Ray cluster: the bytes of a plain run."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    table.write_text(TABLE.replace("ROUNDS", "40").replace("seeds: [0, 1]", "seeds: [0]"))
    assert fedgroup("run", str(table), "--results", str(whole), cwd=tmp_path).returncode == 0
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [
        sys.executable,
        "-m",
        "experiments",
        "run",
        str(table),
        "--results",
        str(cut),
        "--workers",
        "2",
    ]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True,
                               stdout=subprocess.DEVNULL)  # fmt: skip
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if any(5 < p.read_bytes().count(b"\n") < 35 for p in cut.glob("*/rounds.jsonl")):
            break
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list(cut.glob("*/error.txt"))
    done = fedgroup("run", str(table), "--results", str(cut), "--workers", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "with 2 worker(s) of" in done.stdout
    assert files(cut) == files(whole)


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


def test_a_stopped_run_says_how_to_go_on_and_leaves_no_worker(table: Path, tmp_path: Path) -> None:
    table.write_text(TABLE.replace("ROUNDS", "3000"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "experiments", "run", str(table)]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not list(tmp_path.glob("results/*/checkpoint.npz")):
        time.sleep(0.05)
    process.terminate()
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; the same command goes on" in error
    state = fedgroup("status", str(table), cwd=tmp_path).stdout
    assert "interrupted" in state
    assert "running" not in state


def test_one_failing_run_leaves_the_others_alone(table: Path, tmp_path: Path) -> None:
    text = TABLE.replace("ROUNDS", "2") + "\n"
    text = text.replace("seeds: [0, 1]", "seeds: [0]").replace(
        "aggregator: median", "aggregator: {use: sparsefed, k: 5000}"
    )
    table.write_text(text)
    done = fedgroup("run", str(table), cwd=tmp_path)
    assert done.returncode == 1
    assert "✗ Median" in done.stdout
    assert "D = 126 coordinates" in done.stdout
    assert "not run" in done.stdout  # the row is marked, the other is reported


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "demmo"], "no table called 'demmo'; did you mean 'demo'"),
        (["run", "missing.yaml"], "no table file at missing.yaml"),
        (["run", "demo", "--scale", "huge"], "no scale of demo called 'huge'"),
        (["run", "demo", "--seeds", "a,b"], "--seeds 'a,b' is not a list of whole numbers"),
        (["run", "demo", "--seeds", "1,1"], "must be distinct"),
        (["run", "demo", "--jobs", "-1"], "--jobs must be at least 0"),
        (["run", "demo", "--set", "task.train.lr=fast"], "task.train.lr"),
        (["run", "demo", "--set", "task.train.lrr=0.1"], "did you mean 'lr'"),
        (["run", "demo", "--set", "rounds=3"], "no part of a spec called 'rounds'"),
        (["run", "demo", "--set", "federation.aggregator=medain"], "did you mean 'median'"),
        (["run", "demo", "--rule", "{use: trimmed_mean, trim: 5}"], "TrimmedMean needs 11"),
        (["run", "demo", "--rule", "medain"], "did you mean 'median'"),
        (["run", "demo", "--rule", "[1, 2]"], "must be a name, an import path or a mapping"),
        (["run", "demo", "--set", "federation.aggregator=krum"], "add it as a row: --rule"),
        (["run", "demo", "--data", "folder", "--root", "nowhere"], "cannot read"),
        (["run", "demo", "--root", "nowhere"], "give --data too"),
        (["run", "demo", "--select", "best"], "no selection rule called 'best'"),
        (["run", "demo", "--device", "cuda:99"], "device 'cuda:99' is not usable here"),
        (["report", "demo"], "no run of table demo is finished"),
        (["report", "demo", "demmo"], "no table called 'demmo'; did you mean 'demo'"),
        (["report", "demo", "demo"], "table demo is named twice"),
        (["report", "demo", "all"], "`all` stands for every table: give it alone"),
        (["report", "all"], "no table has a finished run in results: start with `fedgroup run demo`"),
        (["report", "demo", "--select", "best"], "no selection rule called 'best'"),
        (["list", "medain"], "no component called 'medain'"),
        (["data", "show", "birds"], "no component called 'birds'"),
        (["data", "show", "synthbirds", "--root", "x"], "no setting in task.data called 'root'"),
        (["data", "prepare", "birds"], "no data set to prepare called 'birds'"),
        (["data", "show", "synthbirds", "--attack", "dlbdd"], "did you mean 'dlbd'"),
        (["data", "show", "synthbirds", "--attack", "none"], "NoAttack makes no poisons"),
        (["data", "show", "synthbirds", "--attack", "dlbd", "--set", "side=40"], "does not fit into an image"),
        (["data", "show", "synthbirds", "--attack", "sa", "--set", "fraction=1e-5"], "is no poison at all: use at least"),
        (["data", "show", "synthbirds", "--attack", "gm", "--set", "eps=300"], "must lie in [0, 255], got 300"),
        (["data", "show", "synthbirds", "--attack", "gm", "--set", "fraction=0.1"], "has 56 training samples: lower"),
        (["data", "show", "synthbirds", "--set", "side=4"], "give --attack too"),
        (["run", "demo", "--workers", "0"], "workers 0"),
        (["run", "demo", "--gpus-per-client", "-1"], "gpus-per-client must lie in"),
        (["run", "demo", "--set", "federation.byzantine=alie"], "no client is malicious: set task.attackers"),
        (["run", "demo", "--set", "task.attackers.fraction=2"], "fraction of malicious clients must lie in [0, 1)"),
        (["run", "methods", "--rule", "krum"], "this table trains centralized methods"),
        (["run", "methods", "--set", "method.cases=worst"], "no setting in method called 'cases'"),
        (["run", "table1", "--set", "method.case=wurst"], "wurst"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_and_exit_code_2(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDGROUP_DEVICE", "auto")  # --device sets it; this undoes it afterwards
    monkeypatch.setattr(sys, "argv", ["fedgroup", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert words in error
    assert error.count("\n") == 1


def test_help_teaches_and_is_fast(tmp_path: Path) -> None:
    done = fedgroup("--help", cwd=tmp_path)
    assert "fedgroup run demo" in done.stdout
    code = "import sys, experiments.__main__; print(sorted({'torch','flwr','pandas','matplotlib','numpy'} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]", "no heavy import before a command runs"


def test_list_and_show(tmp_path: Path) -> None:
    listed = fedgroup("list", cwd=tmp_path).stdout
    for name in (
        "demo",
        "table9",
        "synthbirds",
        "resnet18",
        "sparsefed",
        "dlbd",
        "alie",
        "jtt",
        "george",
    ):
        assert name in listed
    one = fedgroup("list", "sparsefed", cwd=tmp_path).stdout
    assert "rho" in one
    assert "the paper runs 0 and 0.9" in one
    assert "identify_epochs" in fedgroup("list", "jtt", cwd=tmp_path).stdout
    assert "restarts" in fedgroup("list", "gm", cwd=tmp_path).stdout
    shown = fedgroup(
        "show", "table9", "--scale", "paper", "--set", "task.train.lr=0.5", cwd=tmp_path
    ).stdout
    lines = {line.split()[0]: line for line in shown.splitlines() if line.strip()}
    assert "--set" in lines["task.train.lr"]
    assert "scale paper" in lines["task.data.use"]
    assert "default" in lines["task.train.momentum"]


@pytest.mark.timeout(900)
def test_table9_on_a_waterbirds_fixture(tmp_path: Path) -> None:
    """The README's command for the real data set, on a tiny copy in the exact on-disk format."""
    root = fixtures.waterbirds(tmp_path / "wb", per_cell=2, groups=[0] * 11 + [1, 2, 3, 3, 3, 3])
    settings = (
        "task.data.allow_variant=true", "task.data.size=32", "task.model.init=scratch",
        "task.partition.clients=5", "task.train.epochs=1", "task.train.batch_size=16",
        "federation.fraction=1.0", "federation.rounds=1",
    )  # fmt: skip
    tiny = [part for setting in settings for part in ("--set", setting)]
    done = fedgroup(
        "run",
        "table9",
        "--data",
        "waterbirds",
        "--root",
        str(root),
        "--seeds",
        "0",
        *tiny,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Data waterbirds, scale paper, model ResNet18 (11,177,538 parameters)" in done.stdout
    assert "7 runs" in done.stdout
    refused = fedgroup("run", "table9", "--data", "waterbirds", "--root", str(root), cwd=tmp_path)
    assert refused.returncode == 2
    assert "group counts train 22/2/2/8" in refused.stderr


def test_the_readmes_rule_in_one_file(table: Path, tmp_path: Path) -> None:
    """The example of the README, checked and run beside the others from the current folder."""
    readme = (ROOT / "README.md").read_text()
    code = readme.split("```python\n# my_rules.py\n")[1].split("```")[0]
    (tmp_path / "my_rules.py").write_text(code)
    assert "all checks passed" in fedgroup("check", "my_rules:HalfMedian", cwd=tmp_path).stdout
    done = fedgroup(
        "run", str(table), "--rule", "my_rules:HalfMedian", "--rule", "{use: krum, f: 0}", "--seeds", "0",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    summary = pd.read_csv(tmp_path / "results" / "reports" / "toy" / "summary.csv")
    assert set(summary["METHOD"]) == {"FedAvg", "Median", "HalfMedian", "Krum (f=0)"}
    final = summary[summary["selection"] == "final"].set_index("METHOD")
    expected = final.loc["FedAvg", "wga"] - final.loc["HalfMedian", "wga"]
    assert final.loc["HalfMedian", "wga_drop"] == pytest.approx(expected)


def test_json_of_a_result_is_strict(table: Path, tmp_path: Path) -> None:
    assert fedgroup("run", str(table), cwd=tmp_path).returncode == 0

    def refuse(name: str) -> Any:
        raise AssertionError(name)

    for path in (tmp_path / "results").glob("*/*.json"):
        json.loads(path.read_text(), parse_constant=refuse)
