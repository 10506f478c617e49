"""The `fedgroup` command for tests: in this process, or as a process of its own."""

import multiprocessing.process
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

from experiments.__main__ import main
from tests.paths import ROOT

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
COMMAND = [sys.executable, "-m", "experiments"]

TABLE = """
title: A toy table
base:
  task:
    data: tests.toy:ToyData
    model: tests.toy:ToyModel
    partition: {use: iid, clients: 8}
    train: {epochs: 1, batch_size: 4}
  federation: {rounds: ROUNDS, fraction: 0.5}
rows:
  - {label: {METHOD: FedAvg, "IID?": "yes"}, set: {}}
  - {label: {METHOD: Median, "IID?": "yes"}, set: {federation: {aggregator: median}}}
seeds: [0, 1]
"""


@dataclass(frozen=True)
class Done:
    """What a person sees of a command that has ended."""

    returncode: int
    stdout: str
    stderr: str


def fedgroup(*arguments: str, cwd: Path) -> Done:
    """The real main() in this process, in the folder `cwd`; its runs are processes as ever."""
    out, err, before = StringIO(), StringIO(), set(sys.modules)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["fedgroup", *arguments])
        patch.setattr(sys, "path", [path for path in sys.path if path])
        # workers look for modules where the program was started
        patch.setattr(multiprocessing.process, "ORIGINAL_DIR", str(cwd))
        patch.setenv("FEDGROUP_DEVICE", os.environ.get("FEDGROUP_DEVICE", "auto"))
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            for name in set(sys.modules) - before:  # of this folder: another may have its own
                if str(getattr(sys.modules[name], "__file__", "")).startswith(str(cwd)):
                    del sys.modules[name]
    return Done(code, out.getvalue(), err.getvalue())


def process(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """The command as a process of its own, waited for."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip


def started(*arguments: str, cwd: Path) -> "subprocess.Popen[bytes]":
    """The command as a process of its own, leader of a group with all that it starts.

    What it says on stderr is in `cwd`/stderr.txt.
    """
    with (cwd / "stderr.txt").open("wb") as errors:
        return subprocess.Popen(
            [*COMMAND, *arguments], cwd=cwd, env=ENVIRONMENT, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=errors,
        )  # fmt: skip
