"""A run that would go on for ever, without heavy imports."""

import os
import signal
import time
from pathlib import Path

from experiments.launch.processes import end_with_parent


def child(path: str, environment: dict[str, str]) -> None:
    """Say who it is, whether it hears Ctrl-C, and whose variables it has."""
    os.environ.update(environment)
    end_with_parent()
    deaf = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, set())
    Path(path).write_text(f"{os.getpid()} {deaf} {os.environ['PYTHONSAFEPATH']!r}\n")
    time.sleep(600)
