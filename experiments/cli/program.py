"""The program around the commands: its exit codes, its one line per error, its output, Ctrl-C."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fedgroup.errors import FedgroupError

GOES_ON = "interrupted; the same command goes on where it stopped"


class Interrupted(BaseException):
    """Ctrl-C, or a cluster's request to stop. No KeyboardInterrupt: libraries catch that one."""


class Stop:
    """What to do when the program is asked to stop: at first leave in good order, then at once."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, *_: object) -> None:
        """Handle a signal."""
        if self.asked:
            self.say()
            os._exit(130)  # the runs are separate processes and end with this one
        self.asked = True
        raise Interrupted

    def say(self) -> None:
        """Print the one line, and show the cursor that a live display hides."""
        with suppress(OSError):
            cursor = "\x1b[?25h" if os.isatty(2) else ""
            os.write(2, f"{cursor}\nfedgroup: {GOES_ON}\n".encode())


def run_program() -> None:
    """Run the command line and leave the program with its exit code."""
    open_streams()
    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(ValueError):  # not in the main thread
            signal.signal(number, stop)
    code = _exit_code(stop)
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        code = _lost_output(error)
    if stop.asked:
        code = 130
        stop.say()
    sys.exit(code)


def _exit_code(stop: Stop) -> int:
    from experiments.cli.app import app

    try:
        app()
    except FedgroupError as error:
        sys.stderr.write(f"fedgroup: {error}\n")
        return 2
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except OSError as error:
        if output_is_lost():
            return _lost_output(error)
        raise
    except BaseException:
        if not stop.asked:  # a library may turn an interruption into an error of its own
            raise
    return 0


# --- standard output ------------------------------------------------------------------------------


def open_streams() -> None:
    """Give the program three streams: a closed one leads nowhere, and any character can be written.

    A terminal that knows ASCII alone shows ? for the others.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    for name, number in (("stdout", 1), ("stderr", 2)):
        stream: Any = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def output_is_lost() -> bool:
    """Return whether standard output takes nothing any more."""
    flush: Callable[[], object] = sys.stdout.flush
    try:
        sys.stdout.write("\n")
        flush()
    except (OSError, ValueError):
        return True
    return False


def _lost_output(error: OSError | ValueError) -> int:
    """Say that standard output cannot be written; a reader that has gone, as of `| head`, knows."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError):
        os.dup2(nowhere, 1)  # what is still to be flushed
    if not isinstance(error, BrokenPipeError):
        reason = getattr(error, "strerror", None) or error
        sys.stderr.write(
            f"fedgroup: cannot write to standard output ({reason}): send it elsewhere; "
            f"runs go on where they stopped\n"
        )
    return 1
