"""Processes lost in the middle of a run: minutes, because Flower itself waits a minute for a lost node."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from clients.grid import LocalGrid
from experiments.run import run
from fedgroup.runs.run_directory import read_lines, status
from strategies.server.federated_run import federate
from tests.deploy import broken
from tests.deploy.site import NODES, ROOT, broken_app, finish, plan, submit, topology, toy
from tests.deploy.test_local import RECORDS, same_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def wait_for(happened: Callable[[], bool], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)


def test_a_killed_supernode_fails_its_round_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = toy(federation__rounds=4)
    with topology(tmp_path / "up") as up:
        trouble = plan(up, {2: {1: "silent"}})
        running = submit(up, exp, tmp_path / "wire", app=broken_app(tmp_path / "app"), timeout=900)
        wait_for((trouble / "silent-2-1").exists)
        up.supernodes[1].kill()
        up.supernodes[1].start()
        code, output = finish(running, 900)
    assert code == 0, output[-2000:]
    wire = tmp_path / "wire" / exp.id
    rows = read_lines(wire, "rounds")[1:]
    lost = [row["round"] for row in rows if row["refused"]]
    assert 2 in lost and {1, 4}.isdisjoint(
        lost
    )  # a busy machine may need another round to start it again
    for row in rows:
        assert row["admitted"] == (2 if row["round"] in lost else 3)
        for refused in row["refused"]:
            assert (refused["client"], refused["status"]) == (1, "failed")
            assert "Node Unavailable" in refused["reason"]
    assert "partition 1: Error: Node Unavailable" in output
    assert "partition 1: now held by node" in output

    monkeypatch.setenv("FEDGROUP_TROUBLE", str(trouble))
    (trouble / "plan.json").write_text(json.dumps({number: {1: "raise"} for number in lost}))
    assert same_model(
        wire, federate(LocalGrid(broken.app, NODES), exp.task, exp.federation, tmp_path / "twin")
    )


def test_a_silent_supernode_stops_a_strict_run_in_time_and_nothing_recorded_is_lost(
    tmp_path: Path,
) -> None:
    exp = toy(federation__on_failure="fail")
    app = broken_app(tmp_path / "app")
    with topology(tmp_path / "up") as up:
        plan(up, {2: {1: "silent"}})
        code, output = finish(submit(up, exp, tmp_path / "wire", app=app, timeout=150), 900)
        assert code == 1
        assert "partition 1: no reply in 150 s" in output
        assert "round 2: client 1: no reply in time; everything before this round is kept" in output
        wire = tmp_path / "wire" / exp.id
        assert [row["round"] for row in read_lines(wire, "rounds")] == [0, 1]
        plan(up, {})
        up.supernodes[1].kill()
        up.supernodes[1].start()
        code, output = finish(submit(up, exp, tmp_path / "wire", app=app, timeout=600), 900)
        assert code == 0, output[-2000:]
    twin = run(exp, tmp_path / "process")
    assert same_model(wire, twin)
    for name in RECORDS:
        assert (wire / name).read_bytes() == (twin / name).read_bytes(), name


def test_a_restarted_superlink_goes_on_from_the_last_round(tmp_path: Path) -> None:
    exp = toy(federation__rounds=4)
    wire = tmp_path / "wire" / exp.id
    with topology(tmp_path / "up") as up:
        running = submit(up, exp, tmp_path / "wire", timeout=600)
        wait_for(lambda: (wire / "rounds.jsonl").exists() and len(read_lines(wire, "rounds")) > 1)
        up.superlink.kill()
        started = time.monotonic()
        code, output = finish(running, 300)
        print(
            f"the submission ended {time.monotonic() - started:.1f} s after the SuperLink: {output[-600:]}"
        )
        assert code == 1
        wait_for(lambda: status(wire) == "interrupted")
        kept = (wire / "rounds.jsonl").read_bytes()
        up.superlink.start()
        up.wait(up.superlink)
        code, output = finish(submit(up, exp, tmp_path / "wire", timeout=600), 900)
        assert code == 0, output[-2000:]
    assert (wire / "rounds.jsonl").read_bytes().startswith(kept)
    twin = run(exp, tmp_path / "process")
    assert same_model(wire, twin)
    for name in RECORDS:
        assert (wire / name).read_bytes() == (twin / name).read_bytes(), name


def test_one_command_runs_the_secure_comparison_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "deploy.local",
        "--secure",
        f"--results={tmp_path / 'results'}",
    ]
    tiny = [
        "--set=task.data=tests.toy:ToyData",
        "--set=task.model=tests.toy:ToyModel",
        "--set=federation.rounds=1",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [*command, *tiny],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert len(list((tmp_path / "results").glob("*/result.json"))) == 2
    assert (tmp_path / "results" / "reports" / "comparison" / "report.md").exists()
    assert not list(tmp_path.glob("fedgroup-deploy-*"))
    listed = subprocess.run(
        ["ps", "-eo", "args"], capture_output=True, text=True, check=True
    ).stdout
    assert str(tmp_path) not in listed
