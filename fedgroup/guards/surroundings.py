"""The calls of components: what they may change around themselves, and what is undone.

A rule, an attack, a method, a data set or a model is somebody's code in the process of a run. Where
it changes the working directory, the number of threads, the default dtype, signal handlers or
warning filters, every number after it could be another one: `component_call` puts all of them back.
Inside it the global random streams are seeded by address, and what is raised becomes one line with
the component's name first.
"""

import logging
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch

from fedgroup.errors import FedgroupError
from fedgroup.seeding import Address, global_streams

_LOG = logging.getLogger(__name__)
_FORKS = [0]
"""Forks of this process that were not multiprocessing's own."""
_HOUSE = ("fedgroup", "strategies")
"""Packages of our own components."""
_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGCHLD", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
)
"""Signals whose handlers are watched."""


def _note_fork() -> None:
    frame = sys._getframe().f_back
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("multiprocessing"):
            return
        frame = frame.f_back
    _FORKS[0] += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_parent=_note_fork)


def _handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in _SIGNALS}


def _set_handlers(handlers: dict[int, Any]) -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # no other thread may set one
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) is not handler:
            with suppress(OSError, ValueError):
                signal.signal(number, handler)


def _filters() -> list[Any]:
    return list(warnings.filters)


def _set_filters(filters: list[Any]) -> None:
    warnings.resetwarnings()  # also tells warnings that what it remembers of filters is old
    warnings.filters[:] = filters  # type: ignore[index]


def _set_errors(modes: Any) -> None:
    np.seterr(**modes)


_PARTS: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
    "the working directory": (os.getcwd, os.chdir),
    "torch's number of threads": (torch.get_num_threads, torch.set_num_threads),
    "torch's default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "torch's gradient mode": (torch.is_grad_enabled, torch._C._set_grad_enabled),
    "torch's deterministic algorithms": (
        torch.get_deterministic_debug_mode,
        torch.set_deterministic_debug_mode,
    ),
    "torch's matmul precision": (
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    "numpy's error handling": (np.geterr, _set_errors),
    "signal handlers": (_handlers, _set_handlers),
    "the warnings filter": (_filters, _set_filters),
}
"""What a component may not change: how it is read and put back."""


class Surroundings:
    """What the surroundings of a component were; `restore` puts them back."""

    def __init__(self) -> None:
        self._before = {name: read() for name, (read, _) in _PARTS.items()}
        self._forks, self._process = _FORKS[0], os.getpid()

    def restore(self, who: str) -> list[str]:
        """Put back what was changed, and return its names.

        Raises:
            FedgroupError: where the process was forked: that cannot be undone.
        """
        if os.getpid() != self._process:
            sys.stderr.write(f"fedgroup: {who} forked this process; its copy ends here\n")
            sys.stderr.flush()
            os._exit(1)
        changed = []
        for name, (read, put) in _PARTS.items():
            if _current(read) != self._before[name]:
                put(self._before[name])
                changed.append(name)
        if _FORKS[0] != self._forks:
            self._forks = _FORKS[0]
            raise FedgroupError(
                f"{who} forked this process: a copy of a run writes the same files; use threads, "
                f"multiprocessing or a subprocess"
            )
        return changed


def _current(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except OSError:  # the working directory was deleted
        return None


@contextmanager
def component_call(
    component: object, method: str, seed: int = 0, *address: Address
) -> Iterator[None]:
    """Guard a call of a component; around our own, which tests hold to this, it costs nothing.

    Args:
        component: The component.
        method: Its method that is called.
        seed: Seed of the run, under which the global random streams are seeded in the block.
        address: What tells this call from others of the method, such as the round.

    Yields:
        Nothing: the call is the block.

    Raises:
        FedgroupError: The component raised something, wrote into what it was given, or forked.
    """
    who = name_of(component, method)
    try:
        if is_ours(component):
            yield
            return
        with kept(who), global_streams(seed, method, *address):
            yield
    except (FedgroupError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise FedgroupError(f"{who} {_told(error)}") from error


@contextmanager
def kept(who: str) -> Iterator[None]:
    """Put back what the block, called `who` in messages, changes around itself."""
    surroundings = Surroundings()
    try:
        yield
    finally:
        changed = surroundings.restore(who)
        if changed:
            _LOG.info("%s changed %s: put back", who, " and ".join(changed))


def is_ours(component: object) -> bool:
    """Return whether a component, and every component among its settings, is one of ours.

    One that hosts the code of others says `hosts: ClassVar[bool] = True`.
    """
    at_home = type(component).__module__.split(".")[0] in _HOUSE
    return at_home and not is_host(component) and all(map(is_ours, _inner(component)))


def is_host(component: object) -> bool:
    """Return whether a component, or one among its settings, runs the code of others."""
    return getattr(type(component), "hosts", False) or any(map(is_host, _inner(component)))


def _inner(component: object) -> list[Any]:
    """Return the components among the settings of a component."""
    settings = fields(component) if is_dataclass(component) else ()
    values = (getattr(component, setting.name) for setting in settings)
    return [value for value in values if is_dataclass(value)]


def _told(error: Exception) -> str:
    """Return what a component did wrong, and where, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename]
    last = (own or frames)[-1]
    where = f"{last.filename}:{last.lineno}"
    text = " ".join(str(error).split())
    if "read-only" in text or "WRITEABLE" in text:
        return f"writes into an array that it was given ({where}): make a new one"
    return f"raised {type(error).__name__}: {text} ({where})"


def name_of(component: object, method: str) -> str:
    """Return how messages call a method of a component: MyRule.step."""
    return f"{type(component).__name__}.{method}"
