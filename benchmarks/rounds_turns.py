"""Turn-taking between the benchmark and its contenders: one process each, one line of JSON per
turn.

A contender says that it is ready (or why it cannot run), then for every line it reads runs one
block of rounds and answers. Its own standard output goes to its log.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 300.0
"""Seconds after which a silent contender counts as failed."""


class Turns:
    """The contender's side."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)

    def say(self, **values: Any) -> None:
        self._out.write(json.dumps(values) + "\n")

    def wait(self) -> bool:
        """Wait for the next turn; False when there is none."""
        return bool(sys.stdin.readline())


def serve(block: Callable[[], dict[str, Any]], turns: Turns) -> None:
    """Answer every turn with block()."""
    turns.say(ready=True)
    while turns.wait():
        turns.say(**block())


def per_round(stamps: list[float], settle: int) -> float:
    """Mean seconds of the timed rounds, given the moments at which the rounds 0, 1, 2, ...
    ended."""
    return (stamps[-1] - stamps[settle]) / (len(stamps) - 1 - settle)


def keep_theta(path: str, theta: Any) -> None:
    """Leave the block's final parameters for the comparison."""
    np.save(path, theta)


class Contender:
    """The benchmark's side of one process."""

    def __init__(
        self, label: str, python: str, module: str, case: str, scratch: Path, threads: int
    ) -> None:
        self.label = label
        self.theta = scratch / f"{module}-{label.replace(' ', '-').replace(',', '')}.npy"
        self.log = self.theta.with_suffix(".log")
        self.reason: str | None = None
        """Why it did not run."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        }
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [python, "-m", f"benchmarks.{module}", case, str(self.theta)],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
                start_new_session=True,
            )

    def wait_ready(self) -> bool:
        ready = self._read() is not None
        self._signal(signal.SIGSTOP)
        return ready

    def turn(self) -> dict[str, Any] | None:
        """Let it run one block; None (and a reason) if it cannot."""
        if self.reason is not None:
            return None
        self._signal(signal.SIGCONT)
        try:
            self._process.stdin.write("go\n")
        except OSError:
            self._failed("it ended")
            return None
        answer = self._read()
        self._signal(signal.SIGSTOP)
        return answer

    def _signal(self, number: int) -> None:
        """Stop or continue it and all it started: Ray and Flower poll even while they wait for
        their turn."""
        for process in descendants(self._process.pid):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, number)

    def _read(self) -> dict[str, Any] | None:
        if self.reason is not None:
            return None
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self._failed("it ended" if ready else f"silent for {PATIENCE:.0f} s")
            return None
        answer = json.loads(line)
        self.reason = answer.get("absent")
        return None if self.reason else answer

    def _failed(self, how: str) -> None:
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
        self.reason = f"{how}; its last line: {lines[-1][:160] if lines else 'none'}"

    def close(self) -> None:
        """End it, and what it started."""
        self._signal(signal.SIGCONT)
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process.stdout.close()


def descendants(root: int) -> list[int]:
    """Process ids of a process and all below it (Linux; elsewhere just the process)."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, queue = [], [root]
    while queue:
        process = queue.pop()
        found.append(process)
        queue += parents.get(process, [])
    return found


def busy() -> float | None:
    """Share of all cores in use over one second (Linux); None elsewhere."""
    try:
        first = _ticks()
        time.sleep(1)
        second = _ticks()
    except OSError:
        return None
    used, whole = (b - a for a, b in zip(first, second, strict=True))
    return used / max(whole, 1)


def _ticks() -> tuple[int, int]:
    fields = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)
