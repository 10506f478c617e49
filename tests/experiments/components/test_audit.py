"""Audits: which rows are added, what stops one before it runs, and the verdict against numbers worked out by hand."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from experiments.components.audit import OPTIONS, audit_table
from experiments.components.check import spell
from experiments.report import make, write
from experiments.report.verdict import Verdict, verdict
from experiments.results.measurements import is_baseline, lines
from experiments.tables.table import Table, load
from fedgroup.errors import FedgroupError
from tests.experiments.finished_runs import TABLE, finish, table
from tests.paths import ROOT
from tests.toy import MeanOfTwo

NONE: dict[str, str | None] = dict.fromkeys(OPTIONS)


@dataclass(frozen=True)
class Careless:
    """Forgets that theta may not be written to."""

    coordinatewise: ClassVar[bool] = False

    def min_clients(self) -> int:
        return 1

    def init(self, theta: Any) -> dict[str, Any]:
        return {}

    def step(self, state: Any, theta: Any, clients: Any, weights: Any) -> tuple[Any, Any]:
        theta += 1
        return theta, state


def audit(option: str, text: str, **other: Any) -> Table:
    return audit_table({**NONE, option: text}, other.pop("root", None), **other)


def test_a_rule_stands_beside_every_fedavg_and_shares_the_runs_of_other_tables() -> None:
    made = audit("NAME", "{use: krum, f: 3}", seeds=[0])
    own = [row for row in made.rows if row.audited]
    assert (made.name, len(made.rows), len(own)) == ("audit-Krum-f-3", 20, 4)
    assert {row.label["METHOD"] for row in own} == {"Krum (f=3)"}
    settings = {(row.label["IID?"], row.label["ATTACK"]) for row in own}
    assert settings == {("yes", "none"), ("yes", "DLBD"), ("no", "none"), ("no", "DLBD")}
    for row in own:  # the baseline is FedAvg with the same task
        assert row.baselines[0].task == row.experiments[0].task
        assert type(row.baselines[0].federation.rule()).__name__ == "FedAvg"
    ids = {e.id for e in made.experiments()}
    assert len(ids & {e.id for e in load("demo").experiments()}) == 4
    assert len(ids & {e.id for e in load("attacked").experiments()}) == 4


def test_a_flower_strategy_goes_by_its_own_name() -> None:
    assert spell("flwr.serverapp.strategy:FedMedian") == (
        {"use": "flower", "strategy": "flwr.serverapp.strategy:FedMedian"},
        "rule",
    )
    text = "{use: flower, strategy: 'flwr.serverapp.strategy:Krum', options: [[num_malicious_nodes, 2]]}"
    made = load("demo", rules=[text])
    assert made.rows[-1].label["METHOD"] == "Krum (num_malicious_nodes=2)"


def test_a_method_meets_erm_trained_as_it_is() -> None:
    made = audit("--method", "group_dro")
    own = [row for row in made.rows if row.audited]
    assert len(own) == 4
    assert made.against == "ERM"
    for row in made.rows:
        (run,), (base,) = row.experiments, row.baselines
        assert base.task == run.task
        assert type(base.method).__name__ == "ERM"
        assert is_baseline(row) == (row.label["METHOD"] == "ERM")


def test_an_attack_is_compared_with_the_clean_run_of_every_target() -> None:
    made = audit("--attack", "{use: sa, fraction: 0.03}")
    own = [row for row in made.rows if row.audited]
    assert [row.label["METHOD"] for row in own] == [
        "FedAvg",
        "Median",
        "Trimmed mean",
        "JTT",
        "EPIC",
    ]
    for row in own:
        assert row.experiments[0].task.attack.fraction == 0.03
        assert not row.baselines[0].task.inject
        assert row.label["ATTACK"] == "Subpopulation (fraction=0.03)"
        assert row.baselines[0].id == row.experiments[0].reference().id  # type: ignore[union-attr]
    updates = audit("--attack", "sign_flip")
    own = [row for row in updates.rows if row.audited]
    assert [row.label["METHOD"] for row in own] == ["FedAvg", "Median", "Trimmed mean"]
    assert {type(row.baselines[0].federation.byzantine).__name__ for row in own} == {"Honest"}


def test_a_data_set_gets_the_table_of_rules() -> None:
    made = audit("--dataset", "tests.toy:ToyData")
    assert len(made.rows) == 16
    assert {type(row.experiments[0].task.data).__name__ for row in made.rows} == {"ToyData"}
    assert [row.audited for row in made.rows] == [not is_baseline(row) for row in made.rows]


@pytest.mark.parametrize(
    ("given", "root", "words"),
    [
        ({}, None, "give one of NAME, --method, --attack, --dataset to audit, got none"),
        ({"NAME": "krum", "--method": "jtt"}, None, "got NAME and --method"),
        ({"NAME": "jtt"}, None, "'jtt' is a method, and NAME takes a rule: audit it with --method"),
        (
            {"--method": "tests.toy:MeanOfTwo"},
            None,
            "is a rule, and --method takes a method: audit it with NAME",
        ),
        ({"NAME": "iid"}, None, "there is no audit of one"),
        ({"NAME": "krum"}, "here", "--root names the folder of a data set"),
        ({"NAME": "krumm"}, None, "did you mean 'krum'"),
        ({"NAME": "tests.toy:Nothing"}, None, "has no 'Nothing'"),
        ({"NAME": "tests.toy:ToyModel"}, None, "is a model, and there is no check for one"),
        ({"NAME": "tests.toy:ToyNet"}, None, "is of no known family"),
        ({"NAME": "[1]"}, None, "must be a name, an import path or a mapping"),
    ],
)
def test_what_cannot_be_audited_is_refused(
    given: dict[str, str], root: str | None, words: str
) -> None:
    with pytest.raises(FedgroupError, match=words.replace("(", r"\(")):
        audit_table({**NONE, **given}, root)


def test_a_broken_contract_stops_the_audit_before_it_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(
        FedgroupError, match="fails 2 of the checks of a rule .*inputs_untouched.*: mend it"
    ):
        audit("NAME", "tests.experiments.components.test_audit:Careless")
    shown = capsys.readouterr().out
    assert "✗ inputs_untouched" in shown
    assert "✓" not in shown


# --- the verdict -----------------------------------------------------------------------------------


def judged(folder: Path, seeds: str = "[0, 1, 2]") -> tuple[Table, Path]:
    """FedAvg, Median, geometric median, and an added rule. WGA drops of the last: 10, 11, 9; ASR: 30, 31, 29."""
    table(folder, seeds)
    made, results = (
        load(str(folder / "made.yaml"), rules=["tests.toy:MeanOfTwo"]),
        folder / "results",
    )
    groups = (
        ([90.0, 80.0, 60.0, 90.0], [90.0, 80.0, 62.0, 90.0], [90.0, 80.0, 64.0, 90.0]),
        (
            [90.0, 80.0, 55.0, 90.0],
            [90.0, 80.0, 57.0, 90.0],
            [90.0, 80.0, 59.0, 90.0],
        ),  # WGA drops 5
        (
            [90.0, 80.0, 40.0, 90.0],
            [90.0, 80.0, 42.0, 90.0],
            [90.0, 80.0, 44.0, 90.0],
        ),  # WGA drops 20
        ([90.0, 79.0, 50.0, 90.0], [90.0, 80.0, 51.0, 90.0], [90.0, 78.0, 55.0, 90.0]),
    )
    attack = ([70.0, 71.0, 72.0], [69.0, 70.0, 71.0], [30.0, 31.0, 32.0], [40.0, 40.0, 43.0])
    for row, accuracies, rates in zip(made.rows, groups, attack, strict=True):
        for experiment, values, rate in zip(row.experiments, accuracies, rates, strict=False):
            finish(experiment, results, values, rate)
    return made, results


def of(made: Table, results: Path) -> Verdict:
    found = verdict(made, lines(made, results, "final"), results)
    assert found is not None
    return found


def test_the_verdict_by_hand(tmp_path: Path) -> None:
    found = of(*judged(tmp_path))
    assert found.head == ("setting", "WGA drop", "ACC drop", "ASR drop", "who pays", "rank")
    (row,) = found.body
    half = 4.302652729911275 / math.sqrt(3)  # t quantile 0.975 with 2 degrees of freedom, std 1
    assert row[1] == f"10.0 [{10 - half:.1f}, {10 + half:.1f}]"
    assert row[2].startswith("no clear change: 0.0")
    assert row[3] == f"30.0 [{30 - half:.1f}, {30 + half:.1f}]"
    assert row[4] == "LRG-1, b0: 10.0"
    # WGA drops 5 (Median), 10, 20 (geometric median); ASR drops 40 (geometric median), 30, 1 (Median)
    assert row[5] == "WGA 2 of 3, ASR 2 of 3"
    text = " ".join(found.sentences)
    assert (
        "WGA clearly falls in 1 of 1 settings, clearly rises in 0, shows no clear change in 0."
        in text
    )
    assert "95 % t interval" in text
    assert "One seed" not in text
    assert "last digit" not in text


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    found = of(*judged(tmp_path, "[0]"))
    assert found.body[0][1:4] == ("10.0", "0.0", "30.0")
    text = " ".join(found.sentences)
    assert "One seed: no interval exists" in text
    assert "--seeds 0,1,2" in text
    assert "clearly" not in text


def test_a_rule_that_is_another_one_is_called_by_its_name(tmp_path: Path) -> None:
    made, results = judged(tmp_path)
    for ours, worst, rate in zip(
        made.rows[-1].experiments, (55.0, 57.0, 59.0), (69.0, 70.0, 71.0), strict=True
    ):
        finish(ours, results, [90.0, 80.0, worst, 90.0], rate)  # the numbers of Median
    told = of(made, results).sentences[-1]
    assert told.startswith("The same numbers to the last digit as Median in 1 of 1 settings")


def test_the_verdict_stands_at_the_top_of_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.figures.FIGURES", {})
    made, results = judged(tmp_path)
    write(made, results, "final")
    text = (results / "reports" / "made" / "report.md").read_text()
    assert (
        text.index("## Verdict")
        < text.index("LRG-1, b0: 10.0")
        < text.index("## Summary")
        < text.index("| METHOD")
    )
    page = (results / "reports" / "made" / "made.html").read_text()
    assert (
        page.index('class="verdict"')
        < page.index("LRG-1, b0: 10.0")
        < page.index('class="numbers"')
    )


def test_no_verdict_without_somebodys_own_or_before_its_baseline(tmp_path: Path) -> None:
    made, results = judged(tmp_path)
    shipped = replace(made, rows=made.rows[:-1])
    assert verdict(shipped, lines(shipped, results, "final"), results) is None
    for experiment in made.rows[0].experiments:
        (results / experiment.id / "result.json").unlink()
    assert verdict(made, lines(made, results, "final"), results) is None


COMPARED = TABLE.replace(
    "rows:", "baseline: {name: the clean run, set: {task: {inject: false}}}\nrows:"
)


def test_a_table_may_name_its_baseline(tmp_path: Path) -> None:
    made, results = table(tmp_path, "[0]", COMPARED), tmp_path / "results"
    row = made.rows[1]
    finish(row.experiments[0], results, [90.0, 80.0, 50.0, 90.0], 60.0)
    finish(row.baselines[0], results, [90.0, 80.0, 58.0, 90.0], 5.0)
    drops = lines(made, results, "final")[1].drops
    assert drops is not None
    assert (drops["wga"].spread.mean, drops["asr"].spread.mean) == (8.0, -55.0)
    report = make(made, results, "final")
    assert "positive = worse than the clean run" in report.notes[0]
    assert report.sentences[1].startswith("Of 1 row compared with the clean run, 1 lower")


@dataclass(frozen=True)
class Plain:
    """An attack that declares neither paired nor reference."""

    def poison(self, splits: Any, rng: np.random.Generator) -> Any:
        return splits

    def success(self, predict: Any, splits: Any, rng: np.random.Generator) -> Any:
        raise NotImplementedError


def test_an_attack_need_not_declare_paired_and_reference(tmp_path: Path) -> None:
    text = TABLE.replace(
        "{use: dlbd, fraction: 0.1, side: 2, gap: 0}",
        '"tests.experiments.components.test_audit:Plain"',
    )
    made, results = table(tmp_path, "[0]", text), tmp_path / "results"
    run = made.rows[0].experiments[0]
    assert run.reference() is None
    finish(run, results, [90.0, 80.0, 60.0, 90.0], 40.0)
    assert lines(made, results, "final")[0].values["asr"] == [40.0]
    assert "ASR is the share" in " ".join(make(made, results, "final").notes)


def test_the_toy_rule_is_audited_by_its_contract() -> None:
    """MeanOfTwo heeds only the first two clients: the order of the others cannot matter, theirs does."""
    assert MeanOfTwo.coordinatewise
    with pytest.raises(FedgroupError, match="order_invariant"):
        audit("NAME", "tests.toy:MeanOfTwo")


# --- from the command line to the page -------------------------------------------------------------


RULE = '''
from strategies.rules.median import Median as Theirs
from dataclasses import dataclass


@dataclass(frozen=True)
class Half(Theirs):
    """Half way to the median."""

    def step(self, state, theta, clients, weights):
        new, state = super().step(state, theta, clients, weights)
        return ((new + theta) / 2).astype("f4"), state
'''
TINY = (
    "task.data=tests.toy:ToyData", "task.model=tests.toy:ToyModel", "task.partition.clients=5",
    "task.train.epochs=1", "task.train.batch_size=8", "federation.rounds=1", "federation.fraction=1.0",
)  # fmt: skip


def test_an_audit_from_the_command_to_its_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All twenty runs on toy data, in this process."""
    from typer.testing import CliRunner

    from experiments.__main__ import app
    from experiments.run import run

    def run_tables(tables: list[Table], results: Path, _: int, select: str, *__: Any) -> int:
        for experiment in tables[0].experiments():
            run(experiment, results)
        write(tables[0], results, select)
        return 0

    (tmp_path / "audited_rule.py").write_text(RULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("experiments.launch.progress.run_tables", run_tables)
    monkeypatch.setattr("experiments.figures.FIGURES", {})
    sets = [part for setting in TINY for part in ("--set", setting)]
    words = ["audit", "audited_rule:Half", *sets, "--jobs", "1"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    report = (tmp_path / "results" / "reports" / "audit-Half" / "report.md").read_text()
    assert report.startswith("# Audit of Half\n")
    head, verdict_of = (
        report.split("## Verdict")[0],
        report.split("## Verdict")[1].split("## Summary")[0],
    )
    assert "Audit of Half" in head
    for setting in ("IID, clean", "IID, DLBD", "non-IID, clean", "non-IID, DLBD"):
        assert f"| {setting} | " in verdict_of
    assert "One seed: no interval exists" in verdict_of
    assert "of 4" in verdict_of


PAGE = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")


def test_the_example_of_the_page_is_short_and_holds_the_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = PAGE.split("```python\n# my_rules.py\n")[1].split("```")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    (tmp_path / "my_rules_of_the_page.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    made = audit("NAME", "my_rules_of_the_page:MiddleHalf")
    assert made.rows[-1].label["METHOD"] == "MiddleHalf"
