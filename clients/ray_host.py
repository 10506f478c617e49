"""What Ray needs of the machine: a temporary folder with a short name, and our modules first."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fedgroup
from fedgroup.host.short_paths import short_temporary


def home() -> str:
    """Return the folder that our packages lie in."""
    return str(Path(fedgroup.__file__).resolve().parents[1])


def short_folder() -> str:
    """Return the folder for Ray's files, with room for its sockets below it."""
    return str(Path(short_temporary(os.environ.get("RAY_TMPDIR", ""))) / "ray")


def import_paths() -> list[str]:
    """Return this process's import path for workers: absolute, the current folder at its place."""
    return [str(Path(path).resolve()) for path in sys.path]


def imported_there(module: str, name: str, paths: Sequence[str]) -> Callable[..., Any]:
    """Return a function that calls `name` of one of our modules in a worker.

    Ray's workers look into the driver's folder first, where a `clients` or a `fedgroup` of the
    user's may lie. The function travels as code, not by its name: it imports our packages before
    it looks there.

    Args:
        module: One of our modules.
        name: What is called in it.
        paths: Import path of the worker, ours.

    Returns:
        The function; it takes the arguments of what it calls.
    """
    first, ours = home(), ("fedgroup", "strategies", "clients", "experiments")
    here = str(Path.cwd())

    def call(*arguments: Any) -> Any:
        import importlib
        import sys

        rest = [path for path in sys.path if path not in paths]
        away = [path for path in [*paths, *rest] if path != here]
        sys.path[:] = [first, *away]
        for package in ours:
            importlib.import_module(package)
        target = getattr(importlib.import_module(module), name)
        sys.path[:] = [*paths, *rest]
        return target(*arguments)

    return call
