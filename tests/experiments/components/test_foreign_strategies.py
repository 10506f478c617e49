"""Every strategy that Flower ships, through a table and through the audit, on toy data."""

import gc
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.components.audit import OPTIONS, audit_table
from experiments.report import table_notes
from experiments.results.measurements import lines
from experiments.run import run
from experiments.tables.load import load
from fedgroup.errors import FedgroupError
from fedgroup.runs.run_directory import read_lines
from fedgroup.storage import read_json
from tests.strategies.rules.test_flower_needs import FLOWER, REFUSED, WORKS

TABLE = """
title: Toy
base:
  task:
    data: tests.toy:ToyData
    model: tests.toy:ToyModel
    partition: {use: iid, clients: 7}
    train: {epochs: 1, batch_size: 8, proximal_mu: 0.1}
  federation: {rounds: 2, fraction: 1.0}
rows:
  - {label: {METHOD: FedAvg}, set: {federation: {aggregator: fedavg}}}
  - label: {METHOD: Median}
    set: {federation: {aggregator: median, buffers: mean}}
  - {label: {METHOD: Weighted}, set: {federation: {aggregator: {use: fedavg, weighted: true}}}}
  - {label: {METHOD: Trim 0}, set: {federation: {aggregator: {use: trimmed_mean, trim: 0}}}}
"""
TINY = (
    "task.data=tests.toy:ToyData", "task.model=tests.toy:ToyModel", "task.partition.clients=7",
    "task.train.epochs=1", "task.train.batch_size=8", "task.train.proximal_mu=0.1",
    "federation.rounds=1", "federation.fraction=1.0",
)  # fmt: skip


@pytest.fixture(autouse=True)
def no_collecting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flower collects garbage for every reply of some strategies, a third of a second each."""
    monkeypatch.setattr(gc, "collect", lambda *_: 0)


def chosen(name: str) -> str:
    return json.dumps({"use": FLOWER + name, **WORKS.get(name, {})})


def hosted(name: str) -> str:
    options = WORKS.get(name, {})
    return json.dumps({"use": "flower", "strategy": FLOWER + name, "options": options})


def test_all_of_them_stand_in_one_table(tmp_path: Path) -> None:
    (tmp_path / "toy.yaml").write_text(TABLE)
    table = load(str(tmp_path / "toy.yaml"), rules=[hosted(name) for name in WORKS])
    results = tmp_path / "results"
    thetas: dict[str, Any] = {}
    for row in table.rows:
        folder = run(row.experiments[0], results)
        name = row.label["METHOD"].split(" (")[0]
        if name == f"FedAvg [{FLOWER}FedAvg]":  # there is a row FedAvg: ours
            name = "Flower's"
        assert [r["round"] for r in read_lines(folder, "rounds")] == [0, 1, 2]
        assert 0 <= read_json(folder / "result.json")["selection"]["final"]["wga"] <= 100
        with np.load(folder / "checkpoint.npz") as stored:
            thetas[name] = stored["theta"]
    assert set(thetas) == {"Median", "Weighted", "Trim 0", "Flower's", *WORKS}
    assert np.array_equal(thetas["FedMedian"], thetas["Median"])
    assert np.allclose(thetas["Flower's"], thetas["Weighted"], atol=1e-6)
    # both clients train under task.train.proximal_mu
    assert np.array_equal(thetas["FedProx"], thetas["Flower's"])
    different = [name for name in WORKS if name not in ("FedAvg", "FedProx")]
    for i, one in enumerate(different):
        for other in [*different[:i], "Flower's"]:
            assert not np.allclose(thetas[one], thetas[other], atol=1e-7), (one, other)
    notes = table_notes(table, lines(table, results, "final"), results, "final")
    assert any(note.startswith("Training: ") and "proximal mu 0.1" in note for note in notes)
    assert [note for note in notes if note.startswith("Rule")] == [
        "Rule (Trim 0): TrimmedMean is here FedAvg (trim 0)."
    ]


@pytest.mark.parametrize("name", WORKS)
def test_each_of_them_is_audited(name: str, tmp_path: Path) -> None:
    table = audit_table({**dict.fromkeys(OPTIONS), "NAME": chosen(name)}, None, None, [0], TINY)
    own = [row for row in table.rows if row.audited]
    assert len(own) == 4
    assert own[0].label["METHOD"].startswith(name)
    folder = run(own[0].experiments[0], tmp_path)
    assert len(read_lines(folder, "rounds")) == 2


@pytest.mark.parametrize("name", REFUSED)
def test_those_that_have_no_place_are_refused_by_table_and_audit(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(FedgroupError, match=r"fails \d+ of the checks of a rule \(.*starts"):
        audit_table({**dict.fromkeys(OPTIONS), "NAME": chosen(name)}, None, None, [0], TINY)
    assert REFUSED[name].split(",")[0] in " ".join(capsys.readouterr().out.split())
    (tmp_path / "toy.yaml").write_text(TABLE)
    table = load(str(tmp_path / "toy.yaml"), rules=[hosted(name)])
    with pytest.raises(FedgroupError, match=REFUSED[name]):
        run(table.rows[-1].experiments[0], tmp_path / "results")
    assert not list((tmp_path / "results").rglob("rounds.jsonl"))
