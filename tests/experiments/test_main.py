"""The entry point: one-line errors, exit codes, a --help that needs no heavy import."""

import subprocess
import sys
from pathlib import Path

import pytest

from experiments.__main__ import main
from tests.experiments.command_line import process
from tests.paths import ROOT


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
        (["run", "demo", "--set", "rounds=3"], "no setting called 'rounds'; did you mean federation.rounds?"),
        (["run", "demo", "--rounds", "3"], "no option --rounds: settings are given by --set; did you mean federation.rounds?"),
        (["run", "demo", "--lr=0.1"], "did you mean task.train.lr?"),
        (["run", "demo", "--set", "task.data="], "gives no value (an empty shell variable?)"),
        (["run", "demo", "--set", "task.seed=1"], "task.seed is set by --seeds"),
        (["run", "demo", "--set", "federation.rounds=2", "--set", "federation.rounds=3"], "two values: keep one"),
        (["run", "demo", "--set", "method.upsample=2"], "has no effect: demo.yaml is federated"),
        (["run", "table2", "--set", "federation.rounds=2"], "has no effect: table2.yaml trains centralized"),
        (["run", "demo", "--data", ""], "--data has an empty value (an empty shell variable?)"),
        (["run", "demo", "--scale="], "--scale has an empty value"),
        (["run", "demo", "--results", ""], "--results has an empty value"),
        (["run", ""], "an argument has an empty value"),
        (["run", "demo", "--seeds", "1_0"], "is not a list of whole numbers"),
        (["check", "krum", "--set", "use=median"], "name two components: keep one"),
        (["data", "show", "synthbirds", "--attack", "dlbd", "--set", "use=sa"], "name two components"),
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
    done = process("--help", cwd=tmp_path)
    assert "fedgroup run demo" in done.stdout
    code = "import sys, experiments.__main__; print(sorted({'torch','flwr','pandas','matplotlib','numpy'} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]", "no heavy import before a command runs"


def test_a_process_ends_with_the_exit_code(tmp_path: Path) -> None:
    done = process("run", "demmo", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("fedgroup: no table called 'demmo'")
    assert (done.stderr.count("\n"), done.stdout) == (1, "")
