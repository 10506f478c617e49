"""Runs as processes: they end with their parent, a namesake is not taken for ours, a death is explained."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.launch import worker
from experiments.launch.processes import CAUSES, cause
from experiments.launch.worker import run_or_wait
from fedgroup.runs.run_directory import ERROR, InUse
from tests.paths import ROOT

PARENT = """
import sys, time
from tests.experiments.launch.endless import child
from experiments.launch.processes import starter
start = starter(child, "tests.experiments.launch.endless")
start(sys.argv[1], {})
time.sleep(600)
"""


def running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_child_ends_with_its_parent_however_that_ends(number: int, tmp_path: Path) -> None:
    path = tmp_path / "pid"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    env.pop("PYTHONSAFEPATH", None)
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(path)], cwd=tmp_path, env=env
    ) as parent:
        deadline = time.monotonic() + 60
        while not (path.exists() and path.read_text().endswith("\n")):
            assert time.monotonic() < deadline and parent.poll() is None
            time.sleep(0.02)
        process, deaf, safe = path.read_text().split()
        assert (deaf, safe) == ("True", "''"), "deaf to Ctrl-C, and with the user's variables"
        parent.send_signal(number)
        parent.wait()
    deadline = time.monotonic() + 20
    while running(int(process)):
        assert time.monotonic() < deadline, "the child trains on"
        time.sleep(0.02)


def test_a_death_by_signal_names_it_and_the_likely_cause() -> None:
    assert (
        cause(-9)
        == f"killed by SIGKILL ({CAUSES['SIGKILL']}); run again to continue from its last round"
    )
    assert "memory ran out: lower --jobs" in cause(-9)
    assert cause(-11).startswith("killed by SIGSEGV (a library crashed")
    assert cause(-64).startswith("killed by SIGRTMAX; run again")
    assert cause(-99).startswith("killed by signal 99; run again")


def test_a_run_in_use_is_waited_for_and_then_taken_over_or_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other command's process ends without a result: ours runs it; with one: nothing is left to do."""
    from experiments.experiment import Experiment
    from tests.toy import experiment

    exp = Experiment.of(experiment())
    done: list[str] = []
    held = [False, True, True, False, False]
    asked: list[float] = []

    def busy_first(*_: object) -> Path:
        done.append("run")
        if len(done) == 1:
            raise InUse("in use by process 1 on a: wait for it")
        return tmp_path

    monkeypatch.setattr(worker, "run", busy_first)
    monkeypatch.setattr(worker, "is_held", lambda _: held.pop(0))
    monkeypatch.setattr(worker.time, "sleep", asked.append)
    run_or_wait(exp, tmp_path, worker.Resources())
    assert (done, asked) == (["run", "run"], [worker.POLL, worker.POLL])
    folder = tmp_path / exp.id
    folder.mkdir()
    (folder / "result.json").write_text("{}")
    run_or_wait(exp, tmp_path, worker.Resources())
    assert done == ["run", "run"]
    assert not (folder / ERROR).exists()
