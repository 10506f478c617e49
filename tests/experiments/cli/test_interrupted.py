"""Real processes that are killed or stopped, and the same command again: the same bytes."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.experiments.command_line import TABLE, fedgroup, process, started


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the table's file goes; commands in this process draw no figures."""
    monkeypatch.setattr("experiments.figures.FIGURES", {})
    return tmp_path / "toy.yaml"


def files(folder: Path) -> dict[str, bytes]:
    kept = ("rounds.jsonl", "clients.jsonl", "partition.csv", "result.json", "best.npz")
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in folder.glob("*/*") if p.name in kept
    }


def kill(running: "subprocess.Popen[bytes]") -> None:
    """Kill the command, its fork server and its workers alike."""
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


@pytest.mark.timeout(900)
def test_a_killed_run_is_continued_to_the_same_bytes(table: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    table.write_text(TABLE.replace("ROUNDS", "120").replace("seeds: [0, 1]", "seeds: [0]"))
    assert fedgroup("run", str(table), "--results", str(whole), cwd=tmp_path).returncode == 0
    words = ("run", str(table), "--results", str(cut), "--jobs", "1")
    running = started(*words, cwd=tmp_path)  # of two runs one is cut, the other not begun
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        lines = [p.read_bytes().count(b"\n") for p in cut.glob("*/rounds.jsonl")]
        if any(10 < n < 100 for n in lines):
            break
        time.sleep(0.01)
    kill(running)
    status = fedgroup("status", str(table), "--results", str(cut), cwd=tmp_path)
    assert "interrupted" in status.stdout
    assert fedgroup(*words, cwd=tmp_path).returncode == 0
    assert files(cut) == files(whole)


@pytest.mark.timeout(600)
@pytest.mark.slow
def test_two_workers_killed_and_continued_in_process_give_the_same_bytes(
    table: Path, tmp_path: Path
) -> None:
    """On Ray, killed with everything it started, continued on a Ray cluster: the bytes of a plain run."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    one_row = "".join(line for line in TABLE.splitlines(True) if "METHOD: Median" not in line)
    table.write_text(one_row.replace("ROUNDS", "40").replace("seeds: [0, 1]", "seeds: [0]"))
    assert fedgroup("run", str(table), "--results", str(whole), cwd=tmp_path).returncode == 0
    words = ("run", str(table), "--results", str(cut), "--workers", "2")
    running = started(*words, cwd=tmp_path)
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and running.poll() is None:
        if any(5 < p.read_bytes().count(b"\n") < 35 for p in cut.glob("*/rounds.jsonl")):
            break
        time.sleep(0.01)
    kill(running)
    assert not list(cut.glob("*/error.txt"))
    done = process(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "with 2 worker(s) of" in done.stdout
    assert files(cut) == files(whole)


def test_a_stopped_run_says_how_to_go_on_and_leaves_no_worker(table: Path, tmp_path: Path) -> None:
    table.write_text(TABLE.replace("ROUNDS", "3000"))
    running = started("run", str(table), cwd=tmp_path)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not list(tmp_path.glob("results/*/checkpoint.npz")):
        time.sleep(0.05)
    running.terminate()
    running.wait(timeout=60)
    assert running.returncode == 130
    assert "interrupted; the same command goes on" in (tmp_path / "stderr.txt").read_text()
    state = fedgroup("status", str(table), cwd=tmp_path).stdout
    assert "interrupted" in state
    assert "running" not in state
