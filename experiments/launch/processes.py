"""Runs as processes of their own: how they start, end with their parent, and why they died.

They come from a fork server that has imported everything heavy once. It and its children ignore
Ctrl-C, which a terminal sends to all at once: the command that started them stops them.
"""

import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import Any

import experiments
from fedgroup.host.short_paths import short_temporary

HOME = str(Path(experiments.__file__).resolve().parents[1])
PATHS = ("PYTHONPATH", "PYTHONSAFEPATH")
CAUSES = {
    "SIGKILL": "most likely memory ran out: lower --jobs, --workers or task.train.batch_size",
    "SIGBUS": "most likely the disk or /dev/shm is full, or a file was cut while it was read",
    "SIGSEGV": "a library crashed: try --jobs 1, and the same versions as in constraints.txt",
    "SIGILL": "a library was built for another processor: install one for this machine",
    "SIGABRT": "a library gave up: see the end of its log",
    "SIGTERM": "somebody, or a cluster's time limit, stopped it",
    "SIGXCPU": "the limit of CPU time (ulimit -t) was reached",
    "SIGXFSZ": "the limit of file sizes (ulimit -f) was reached",
}
"""What usually ends a process by a signal, and what to do."""


def starter(body: Callable[..., None], preload: str) -> Callable[..., Any]:
    """Return a function that starts `body` in a process of its own.

    Args:
        body: What the process does; its last argument is a mapping of variables to set.
        preload: Module with the heavy imports, done once for all processes.

    Returns:
        The function; it takes the arguments of `body` and returns the process.
    """
    forks = "forkserver" in multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if forks else "spawn")
    if forks:
        context.set_forkserver_preload([preload])

    def start(*arguments: Any) -> Any:
        *rest, environment = arguments
        own = {name: os.environ.get(name, "") for name in PATHS}
        process = context.Process(target=body, args=(*rest, own | environment))
        with _our_modules_first():
            if forks:
                _start_server()
            process.start()
        return process

    return start


@contextmanager
def _our_modules_first() -> Iterator[None]:
    """Let a new Python find our packages first, and not what lies in the current folder.

    The fork server starts in it: a folder `fedgroup` there must not be taken for ours.
    """
    before = {name: os.environ.get(name) for name in PATHS}
    paths = [HOME, *filter(None, [before["PYTHONPATH"]])]
    os.environ.update({"PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _start_server() -> None:
    """Start the fork server where it does not run: it and its children never see a Ctrl-C."""
    usual, tempfile.tempdir = tempfile.tempdir, short_temporary()
    get_temp_dir()  # multiprocessing keeps it for its sockets
    tempfile.tempdir = usual
    resource_tracker.ensure_running()  # first: it unblocks what is blocked here
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Kill this process as soon as the one that started it is gone, however that ended."""
    parent = multiprocessing.parent_process()
    if parent is None:  # no multiprocessing child: a task on a cluster, say
        return

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def cause(code: int) -> str:
    """Say which signal ended a process, from its negative exit code, and what usually sends it."""
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    hint = f" ({CAUSES[name]})" if name in CAUSES else ""
    return f"killed by {name}{hint}; run again to continue from its last round"
