"""`--set`: every assignment changes a run, or one line says why it would not."""

from pathlib import Path
from typing import Any

import pytest

from experiments.tables.assignments import did_you_mean
from experiments.tables.load import load
from fedgroup.errors import FedgroupError

FEDERATED = """
base: {task: {data: tests.toy:ToyData, model: tests.toy:ToyModel}, federation: {rounds: 3}}
rows:
  - {label: {M: mean}, set: {}}
  - {label: {M: median}, set: {federation: {aggregator: median}}}
"""
CENTRALIZED = """
base: {task: {data: tests.toy:ToyData, model: tests.toy:ToyModel, attack: dlbd}}
rows:
  - {label: {M: ERM}, set: {method: erm}}
  - {label: {M: JTT}, set: {method: jtt}}
"""
MIXED = FEDERATED + "  - {label: {M: JTT}, set: {method: jtt}}\n"


def written(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("table", "assignment", "words"),
    [
        (FEDERATED, "task.seed=3", "task.seed is set by --seeds: write --seeds"),
        (FEDERATED, "rounds=2", r"no setting called 'rounds'; did you mean federation\.rounds\?"),
        (FEDERATED, "train.lr=1", r"did you mean task\.train\.lr\?"),
        (FEDERATED, "tsak.train.lr=1", r"did you mean task\.train\.lr\?"),
        (FEDERATED, "xyzzy=1", r"no setting called 'xyzzy' \(parts: task, federation, method\)"),
        (FEDERATED, "task=null", "empties a whole part"),
        (FEDERATED, "federation={}", "empties a whole part"),
        (FEDERATED, "task.data=null", "task.data must name a component"),
        (FEDERATED, "task.data=3", "task.data must name a component"),
        (FEDERATED, 'task.data=""', "task.data must name a component"),
        (FEDERATED, "task.data={use: 3}", r"task\.data\.use must be a name or an import path"),
        (FEDERATED, "task.train=null", "task.train must be a mapping"),
        (FEDERATED, "method.upsample=3", "no effect: mine.yaml is federated"),
        (FEDERATED, "task.attack_seed=3", "no effect: mine.yaml has no attack on samples"),
        (FEDERATED, "task.inject=false", "no effect: mine.yaml has no attack on samples"),
        (CENTRALIZED, "federation.rounds=2", "no effect: mine.yaml trains centralized methods"),
        (CENTRALIZED, "task.partition.clients=2", "mine.yaml trains centralized methods"),
        (CENTRALIZED, "task.attackers.fraction=0.5", "mine.yaml trains centralized methods"),
    ],
)
def test_an_assignment_that_would_be_lost_is_refused(
    table: str, assignment: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(FedgroupError, match=words) as caught:
        load(written(tmp_path, table), assignments=[assignment])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("table", "assignment"),
    [
        (FEDERATED, "federation.rounds=3"),  # the value that it has
        (FEDERATED, "federation.rounds=4"),
        (FEDERATED, "task.data.scale=2"),
        (CENTRALIZED, "task.attack_seed=3"),
        (CENTRALIZED, "task.train.epochs=3"),
    ],
)
def test_an_assignment_with_an_effect_reaches_every_run(
    table: str, assignment: str, tmp_path: Path
) -> None:
    path, _, value = assignment.rpartition("=")
    for experiment in load(written(tmp_path, table), assignments=[assignment]).experiments():
        found: Any = experiment.to_dict()
        for key in path.split("."):
            found = found[key]
        assert found == int(value)


def test_in_a_mixed_table_each_row_takes_what_is_its_own(tmp_path: Path) -> None:
    path = written(tmp_path, MIXED)
    plain = load(path).experiments()
    changed = load(path, assignments=["method.upsample=7", "federation.rounds=9"]).experiments()
    assert [run.method is None for run in changed] == [True, True, False]
    assert [run.rounds for run in changed[:2]] == [9, 9]
    assert changed[2].method.upsample == 7  # type: ignore[union-attr]
    assert all(one.id != two.id for one, two in zip(plain, changed, strict=True))


def test_a_method_may_be_chosen_for_a_federated_table(tmp_path: Path) -> None:
    one = written(tmp_path, FEDERATED.rsplit("  - ", 1)[0])
    (run,) = load(one, assignments=["method=jtt", "method.upsample=7"]).experiments()
    assert run.method.upsample == 7  # type: ignore[union-attr]
    with pytest.raises(FedgroupError, match="federation.rounds=9 has no effect"):
        load(one, assignments=["method=jtt", "federation.rounds=9"])


def test_an_option_and_an_assignment_do_not_contradict(tmp_path: Path) -> None:
    path = written(tmp_path, FEDERATED)
    data = {"use": "tests.toy:ToyData"}
    assert load(path, data=data, assignments=["task.data.scale=2"]).experiments()
    for over, chosen in (
        ("task.data=synthbirds", data),
        ("task.data.use=synthbirds", data),
        ("task.data.scale=2", {**data, "scale": 3}),
    ):
        with pytest.raises(FedgroupError, match="contradict each other: keep one"):
            load(path, data=chosen, assignments=[over])
    own = {"task": {"attack": {"use": "dlbd"}}}
    with pytest.raises(FedgroupError, match=r"--set task\.attack=sa and .*task\.attack=dlbd"):
        load(path, own=own, assignments=["task.attack=sa"])
    with pytest.raises(FedgroupError, match="would not reach the row that is added"):
        load(path, rules=["krum"], assignments=["federation.aggregator.f=1"])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("rounds", "; did you mean federation.rounds?"),
        ("lr", "; did you mean task.train.lr?"),
        ("epoch", "; did you mean task.train.epochs?"),
    ],
)
def test_hints(name: str, hint: str) -> None:
    assert did_you_mean(name) == hint
    assert did_you_mean("nothing_like_it", exact=True) == ""
