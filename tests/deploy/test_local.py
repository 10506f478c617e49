"""The deployment on loopback: a SuperLink and three SuperNodes as real processes.

About two minutes on two busy cores, nearly all of it the start of Flower's processes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clients.grid import LocalGrid
from deploy.processes import Topology
from experiments.run import run
from fedgroup.runs.run_directory import read_lines
from strategies.server.federated_run import federate
from tests.deploy import broken
from tests.deploy.site import NODES, broken_app, finish, plan, submit, topology, toy

RECORDS = ("rounds.jsonl", "clients.jsonl", "partition.csv", "result.json")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    with topology(tmp_path_factory.mktemp("deploy")) as running:
        yield running


def arrays(folder: Path) -> dict[str, Any]:
    with np.load(folder / "checkpoint.npz") as stored:
        return {name: stored[name] for name in stored.files if name != "__head__"}


def same_model(one: Path, two: Path) -> bool:
    first, second = arrays(one), arrays(two)
    return set(first) == set(second) and all(
        np.array_equal(first[name], second[name]) for name in first
    )


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rounds", [1, pytest.param(3, marks=pytest.mark.slow)])
def test_rounds_over_the_wire_equal_the_run_in_process_bit_for_bit(
    up: Topology, tmp_path: Path, rounds: int
) -> None:
    exp = toy(federation__aggregator="median", federation__rounds=rounds)
    code, output = finish(submit(up, exp, tmp_path / "wire"))
    assert code == 0, output[-2000:]
    twin = run(exp, tmp_path / "process")
    wire = tmp_path / "wire" / exp.id
    assert same_model(wire, twin)
    for name in RECORDS:
        assert (wire / name).read_bytes() == (twin / name).read_bytes(), name
    assert [row["admitted"] for row in read_lines(wire, "rounds")[1:]] == [NODES] * rounds


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_bad_replies_are_refused_by_name_and_the_others_make_the_round(
    up: Topology, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = toy()
    trouble = plan(up, {1: {0: "nan", 1: "shape"}, 2: {0: "count"}, 3: {1: "raise"}})
    code, output = finish(submit(up, exp, tmp_path / "wire", app=broken_app(tmp_path / "app")))
    assert code == 0, output[-2000:]
    wire = tmp_path / "wire" / exp.id
    reasons = {
        (row["round"], row["client"]): (row["status"], row.get("reason", ""))
        for row in read_lines(wire, "clients")
    }
    assert reasons[1, 0] == ("rejected", "theta holds 1 NaN or infinite values")
    assert reasons[1, 1] == ("rejected", "theta has shape (125,), expected (126,)")
    assert reasons[2, 0][0] == "rejected"
    assert reasons[2, 0][1].startswith("num-examples is 1000000000000000000, but ")
    assert reasons[3, 1][0] == "failed"
    assert "a site's own fault" in reasons[3, 1][1]
    assert {reasons[key][0] for key in ((1, 2), (2, 1), (2, 2), (3, 0), (3, 2))} == {"ok"}
    for refusal in (
        "partition 0: refused: theta holds",
        "partition 1: refused: theta has",
        "num-examples is",
    ):
        assert refusal in output  # the log says what the record says
    assert "partition 1: " in output

    monkeypatch.setenv("FEDGROUP_TROUBLE", str(trouble))
    twin = federate(LocalGrid(broken.app, NODES), exp.task, exp.federation, tmp_path / "process")
    assert same_model(wire, twin)
