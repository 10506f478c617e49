"""Components of a user's in modules written for one test, and forgotten after it."""

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

RULE = """
from dataclasses import dataclass
from typing import ClassVar

import numpy as np


@dataclass(frozen=True)
class Rule:
    coordinatewise: ClassVar[bool] = True
    share: float = 0.5

    def min_clients(self):
        return 1

    def init(self, theta):
        return {}

    def step(self, state, theta, clients, weights):
        return np.mean(clients, axis=0, dtype=np.float32), state
"""
"""An aggregation rule that a user wrote."""

Forget = Callable[[], None]


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Files by name in a folder, whose folders are made."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@contextmanager
def importable(folder: Path) -> Iterator[Forget]:
    """Modules of the folder can be imported; calling what is yielded is a new process to them."""

    def forget() -> None:
        importlib.invalidate_caches()
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", "")).startswith(str(folder)):
                del sys.modules[name]

    sys.path.insert(0, str(folder))
    forget()
    try:
        yield forget
    finally:
        sys.path.remove(str(folder))
        forget()
