"""Attacked federations: poisoned shards, forged updates, attack success in the records and the report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.report import cells, lines, measured, write
from experiments.run import run
from experiments.tables.load import load
from fedgroup.attacks import BYZANTINE_NAMES
from fedgroup.errors import FedgroupError
from fedgroup.layout import read
from fedgroup.runs.run_directory import read_lines
from fedgroup.storage import read_json
from fedgroup.task import malicious_clients
from tests.strategies.server.runs import arrays, make, records

DLBD = {"use": "dlbd", "fraction": 0.1, "side": 2, "gap": 0}


def test_attack_success_stands_in_every_evaluated_round(tmp_path: Path) -> None:
    folder = run(make(task__attack=DLBD, federation__rounds=4, federation__eval_every=2), tmp_path)
    rows = read_lines(folder, "rounds")
    assert ["attack" in row for row in rows] == [True, False, True, False, True]
    assert all(len(row["attack"]["hits"]) == 4 for row in rows if "attack" in row)
    result = read_json(folder / "result.json")
    chosen = result["selection"]["final"]
    hits = rows[-1]["attack"]
    expected = 100 * sum(hits["hits"]) / sum(hits["total"]) if sum(hits["total"]) else None
    assert chosen["asr"] == expected
    assert result["poisons"] == 8
    assert "poisons" in (folder / "partition.csv").read_text().splitlines()[0]


def test_runs_without_an_attack_know_nothing_of_it(tmp_path: Path) -> None:
    folder = run(make(federation__rounds=1), tmp_path)
    assert "attack" not in read_lines(folder, "rounds")[0]
    assert "asr" not in read_json(folder / "result.json")["selection"]["final"]


@pytest.mark.parametrize(
    "name", [n for n in BYZANTINE_NAMES if n not in ("none", "cancellation", "gaussian")]
)
def test_forged_updates_change_the_run_and_are_marked(name: str, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"task__attackers": {"fraction": 0.25}, "federation__rounds": 3}
    honest = run(make(**changes), tmp_path)
    exp = make(federation__byzantine=name, federation__fraction=1.0, **changes)
    forged = run(exp, tmp_path)
    bad = set(malicious_clients(exp.task))
    marked = {row["client"] for row in read_lines(forged, "clients") if row.get("malicious")}
    assert marked == bad
    assert read_json(forged / "result.json")["malicious"] == sorted(bad)
    assert not np.array_equal(arrays(forged)["theta"], arrays(honest)["theta"])
    assert "attacker_influence" in read_lines(forged, "rounds")[1]


def test_a_sign_flip_by_hand(tmp_path: Path) -> None:
    """FedAvg over four clients of which one flips: theta + (sum of honest deltas - own delta) / 4."""
    base: dict[str, Any] = {
        "task__partition": {"use": "iid", "clients": 4},
        "task__attackers": {"fraction": 0.25},
        "federation__rounds": 1,
        "federation__fraction": 1.0,
    }
    honest = arrays(run(make(**base), tmp_path))["theta"]
    boosted = make(federation__byzantine={"use": "model_replacement", "boost": 5.0}, **base)
    own = arrays(run(boosted, tmp_path))["theta"] - honest  # (5 - 1) * own / 4
    exp = make(federation__byzantine="sign_flip", **base)
    flipped = arrays(run(exp, tmp_path))["theta"]
    np.testing.assert_allclose(flipped, honest - own / 2, atol=1e-6)
    (bad,) = malicious_clients(exp.task)
    norms = {r["client"]: r["norm"] for r in read_lines(tmp_path / exp.id, "clients")}
    assert float(np.linalg.norm(own)) == pytest.approx(norms[bad], rel=1e-4)
    start = read(exp.task.model.build(2, 0)).theta
    step = read_lines(tmp_path / exp.id, "rounds")[1]["step_norm"]
    assert float(np.linalg.norm(flipped - start)) == pytest.approx(step, rel=1e-4)


@dataclass(frozen=True)
class Lazy:
    """An outsider's attack that knows the protocol alone: nothing in the first `rounds` rounds, then own / 2."""

    rounds: int = 1

    def init(self, size: int) -> dict[str, Any]:
        return {"seen": np.zeros((), np.int64)}

    def forge(
        self, state: Any, own: Any, honest: Any, rng: Any, ids: Any = None
    ) -> tuple[Any, Any]:
        factor = np.float32(0 if int(state["seen"]) < self.rounds else 0.5)
        return [factor * delta for delta in own], {"seen": state["seen"] + 1}


def test_an_outsiders_attack_needs_nothing_but_the_protocol(tmp_path: Path) -> None:
    exp = make(
        task__attackers={"fraction": 0.25},
        federation__byzantine="tests.strategies.server.test_forged_updates:Lazy",
        federation__fraction=1.0,
    )
    folder = run(exp, tmp_path)
    norms = [row["norm"] for row in read_lines(folder, "clients") if row.get("malicious")]
    assert norms[:2] == [0.0, 0.0]
    assert min(norms[2:]) > 0


def test_a_huge_forgery_is_refused_where_a_bound_is_set(tmp_path: Path) -> None:
    exp = make(
        task__attackers={"fraction": 0.25},
        federation__byzantine="cancellation",
        federation__max_norm=100.0,
        federation__fraction=1.0,
        federation__rounds=1,
    )
    (row,) = [r for r in read_lines(run(exp, tmp_path), "rounds") if r["round"] == 1]
    assert [r["status"] for r in row["refused"]] == ["rejected"] * 2
    assert "exceeds the bound 100" in row["refused"][0]["reason"]
    assert row["admitted"] == 6


def test_an_interrupted_mimic_goes_on_with_its_memory(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "task__attackers": {"fraction": 0.25},
        "federation__byzantine": {"use": "mimic", "warmup": 2},
        "federation__fraction": 1.0,
        "federation__rounds": 5,
    }
    exp = make(**changes)
    whole = run(exp, tmp_path / "whole")
    from clients.client_app import app
    from clients.grid import LocalGrid
    from strategies.server.federated_run import federate

    class Cut(LocalGrid):
        def answer(self, messages: Any, timeout: float | None = None) -> Any:
            if any(message.metadata.group_id == "4" for message in messages):
                raise KeyboardInterrupt
            return super().answer(messages, timeout)

    with pytest.raises(KeyboardInterrupt):
        federate(Cut(app, 8), exp.task, exp.federation, tmp_path / "cut")
    again = run(exp, tmp_path / "cut")
    assert records(again) == records(whole)
    assert all(np.array_equal(value, arrays(again)[key]) for key, value in arrays(whole).items())


TABLE = """
title: Attacked toy
base:
  task:
    data: {use: "tests.toy:ToyData", scale: 4}
    model: tests.toy:ToyModel
    attack: ATTACK
    partition: {use: iid, clients: 8}
    train: {epochs: 1, batch_size: 4}
  federation: {rounds: 2, fraction: 0.5}
rows:
  - {label: {METHOD: FedAvg}, set: {}}
  - {label: {METHOD: Median}, set: {federation: {aggregator: median}}}
seeds: [0, 1]
"""


@pytest.mark.parametrize(
    "attack", ["{use: dlbd, fraction: 0.1, side: 2, gap: 0}", "{use: sa, fraction: 0.1}"]
)
def test_the_report_shows_what_a_defence_buys_and_costs(attack: str, tmp_path: Path) -> None:
    path = tmp_path / "toy.yaml"
    path.write_text(TABLE.replace("ATTACK", attack))
    table = load(str(path))
    for row in table.rows:
        for exp in row.experiments:
            run(exp, tmp_path)
            clean = exp.reference()
            assert (clean is None) == ("dlbd" in attack)
            if clean is not None:
                run(clean, tmp_path)
    found = lines(table, tmp_path, "final")
    head, body = cells(table, found)
    assert "ASR" in head
    assert "ASR drop" in head
    fedavg, median = (row.experiments[0] for row in table.rows)
    ours, theirs = measured(median, tmp_path, "final"), measured(fedavg, tmp_path, "final")
    assert ours is not None
    assert theirs is not None
    if "sa" in attack:
        assert "clean ASR" in head
        rates = [
            read_json(tmp_path / e.id / "result.json")["selection"]["final"]["asr"]
            for e in (median, median.reference())
            if e is not None
        ]
        assert ours["asr"] == pytest.approx(rates[0] - rates[1])
    drop = found[1].drops["asr"].spread.mean  # type: ignore[index]
    pairs = [(measured(a, tmp_path, "final"), measured(b, tmp_path, "final"))
             for a, b in zip(table.rows[0].experiments, table.rows[1].experiments, strict=True)]  # fmt: skip
    assert drop == pytest.approx(np.mean([a["asr"] - b["asr"] for a, b in pairs if a and b]))
    files = {file.name for file in write(table, tmp_path, "final")}
    assert "tension.png" in files
    assert "ASR" in (tmp_path / "reports" / "toy" / "report.md").read_text()
    assert body[0][head.index("ASR drop")] == "–"


@dataclass(frozen=True)
class Forging:
    """An attack whose answer is wrong; `how` says in what."""

    how: str

    def init(self, size: int) -> Any:
        return {"queue": [1]} if self.how == "init" else {}

    def forge(self, state: Any, own: Any, honest: Any, rng: Any, ids: Any = None) -> Any:
        if self.how == "writes":
            own[0] *= -1
        return {
            "float64": lambda: ([delta.astype(np.float64) for delta in own], state),
            "few": lambda: (list(own)[1:], state),
            "alone": lambda: list(own),
            "list": lambda: (list(own), {"queue": [1]}),
            "init": lambda: (list(own), state),
        }[self.how]()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("float64", r"Forging.forge returned \(126,\) float64, expected \(126,\) float32"),
        ("few", r"Forging.forge returned \d deltas, expected one delta for each of \d"),
        ("alone", "Forging.forge returned list, expected the deltas and the state"),
        ("list", "Forging.forge returned state 'queue' as list, which a checkpoint cannot hold"),
        ("init", "Forging.init returned state 'queue' as list"),
        ("writes", "Forging.forge writes into an array that it was given"),
    ],
)
def test_what_an_attack_gives_back_is_checked_by_its_name(
    how: str, words: str, tmp_path: Path
) -> None:
    attack = {"use": "tests.strategies.server.test_forged_updates:Forging", "how": how}
    exp = make(
        federation__byzantine=attack, task__attackers={"fraction": 0.5}, federation__rounds=2
    )
    with pytest.raises(FedgroupError, match=words):
        run(exp, tmp_path)
