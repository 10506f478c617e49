"""Audits: which rows are added, what stops one before it runs, and the command to its verdict."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from experiments.components.audit import OPTIONS, _named, audit_table
from experiments.components.check import parse_component
from experiments.report import write
from experiments.results.measurements import is_baseline
from experiments.tables.load import load
from experiments.tables.table import Table
from fedgroup.errors import FedgroupError
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
        assert type(row.baselines[0].federation.aggregator).__name__ == "FedAvg"
    ids = {e.id for e in made.experiments()}
    assert len(ids & {e.id for e in load("demo").experiments()}) == 4
    assert len(ids & {e.id for e in load("attacked").experiments()}) == 4


def test_a_flower_strategy_goes_by_its_own_name() -> None:
    chosen, family = parse_component("flwr.serverapp.strategy:FedMedian")
    assert (chosen, family.kind) == (
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
        (
            {"NAME": "tests.toy:ToyModel"},
            None,
            "is a model, and NAME takes .*: there is no audit of one",
        ),
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
        FedgroupError, match="fails 3 of the checks of a rule .*inputs_untouched.*: mend it"
    ):
        audit("NAME", "tests.experiments.components.test_audit:Careless")
    shown = capsys.readouterr().out
    assert "✗ inputs_untouched" in shown
    assert "✓" not in shown


def test_the_toy_rule_is_audited_by_its_contract() -> None:
    """MeanOfTwo heeds only the first two clients: the order of the others cannot matter, theirs does."""
    assert MeanOfTwo.coordinatewise
    with pytest.raises(FedgroupError, match="order_invariant"):
        audit("NAME", "tests.toy:MeanOfTwo")


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

    from experiments.cli.app import app
    from experiments.run import run

    def run_tables(tables: list[Table], results: Path, _: int, select: str, *__: Any) -> int:
        for experiment in tables[0].experiments():
            run(experiment, results)
        write(tables[0], results, select)
        return 0

    (tmp_path / "audited_rule.py").write_text(RULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("experiments.launch.run_tables.run_tables", run_tables)
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


PAGE = (ROOT / "docs" / "how-to" / "audit.md").read_text(encoding="utf-8")


def test_the_example_of_the_page_is_short_and_holds_the_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = PAGE.split("```python\n# my_rules.py\n")[1].split("```")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    (tmp_path / "my_rules_of_the_page.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    made = audit("NAME", "my_rules_of_the_page:MiddleHalf")
    assert made.rows[-1].label["METHOD"] == "MiddleHalf"


def test_two_audits_that_differ_in_a_sign_have_two_names() -> None:
    names = {_named_report(title) for title in ("Rule (m=1)", "Rule (m=-1)", "Rule", "Étoile_2")}
    assert names == {"audit-Rule-m-1", "audit-Rule-m-minus-1", "audit-Rule", "audit-Étoile-2"}


def _named_report(title: str) -> str:
    table = load("audit")
    return _named(table, title, "rule").name
