"""The body of a worker process: one experiment, its output in the run's log, its exit code."""

import json
import os
import sys
import traceback
from pathlib import Path

import torch
import torch._dynamo  # the first optimiser step imports it: here once for all forked runs

from clients.resources import Resources
from experiments.experiment import Experiment
from experiments.run import run
from fedgroup.errors import FedgroupError

LOG = "log.txt"
ERROR = "error.txt"
"""Files of a run directory: everything printed, and the one line that says why it failed."""


def work(text: str, results: str, resources: Resources, environment: dict[str, str]) -> None:
    """Run one experiment with all output in its log; exit with 1 after writing why it failed.

    Args:
        text: The experiment as JSON.
        results: Folder of run directories.
        resources: What the run may use.
        environment: Variables to set before anything else.
    """
    os.environ.update(environment)
    experiment = Experiment.of(json.loads(text))
    folder = Path(results) / experiment.id
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ERROR).unlink(missing_ok=True)
    with (folder / LOG).open("a", buffering=1) as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
        torch.set_num_threads(resources.threads)
        try:
            run(experiment, Path(results), resources)
        except FedgroupError as error:
            (folder / ERROR).write_text(f"{error}\n")
            sys.exit(1)
        except Exception as error:
            traceback.print_exc()
            (folder / ERROR).write_text(f"{type(error).__name__}: {error} (see {folder / LOG})\n")
            sys.exit(1)
