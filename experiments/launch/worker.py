"""The body of a worker process: one experiment, its output in the run's log, its exit code."""

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import TextIO

import torch
import torch._dynamo  # the first optimiser step imports it: here once for all forked runs

from clients.resources import Resources
from experiments.experiment import Experiment
from experiments.launch.processes import end_with_parent
from experiments.run import run
from fedgroup.errors import FedgroupError
from fedgroup.host.locks import is_held
from fedgroup.host.sharing import make_folder, share, why
from fedgroup.runs.run_directory import ERROR, InUse, status
from fedgroup.storage import write_text

LOG = "log.txt"
"""File of a run directory: everything printed."""
POLL = 0.5
"""Seconds between looks at a run that another process runs."""


def work(text: str, results: str, resources: Resources, environment: dict[str, str]) -> None:
    """Run one experiment with all output in its log; exit with 1 after writing why it failed.

    Args:
        text: The experiment as JSON.
        results: Folder of run directories.
        resources: What the run may use.
        environment: Variables to set before anything else.
    """
    os.environ.update(environment)
    end_with_parent()
    experiment = Experiment.of(json.loads(text))
    folder = Path(results) / experiment.id
    try:
        log = open_log(folder)
    except OSError as error:
        sys.stderr.write(f"fedgroup: cannot write results to {folder} ({why(error)})\n")
        sys.exit(1)
    with log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        torch.set_num_threads(resources.threads)
        try:
            run_or_wait(experiment, Path(results), resources)
        except FedgroupError as error:
            write_text(folder / ERROR, f"{error}\n")
            sys.exit(1)
        except Exception as error:
            traceback.print_exc()
            reason = f"{type(error).__name__}: {error} (see {folder / LOG})"
            write_text(folder / ERROR, f"{reason}\n")
            sys.exit(1)


def open_log(folder: Path) -> TextIO:
    """Open the log of a run, by whichever command, and at the end of what is there."""
    make_folder(folder)
    log = (folder / LOG).open("a", buffering=1, encoding="utf-8", errors="replace")
    share(folder / LOG)
    return log


def run_or_wait(experiment: Experiment, results: Path, resources: Resources) -> None:
    """Run an experiment; where another process runs it already, wait for that, or take it over.

    Args:
        experiment: What to run.
        results: Folder of run directories.
        resources: What the run may use.
    """
    folder = results / experiment.id
    while status(folder) != "done":
        try:
            if not is_held(folder / "lock"):
                (folder / ERROR).unlink(missing_ok=True)
            run(experiment, results, resources)
            return
        except InUse as error:
            print(error, flush=True)
            while is_held(folder / "lock"):
                time.sleep(POLL)
