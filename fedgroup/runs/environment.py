"""What a reader needs to judge or repeat a number: versions, hardware and commit (env.json)."""

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("fedgroup", "torch", "torchvision", "numpy", "flwr", "ray")
OURS = "fedgroup/runs/environment.py"
"""A file that our own repository holds at this place."""


def environment() -> dict[str, Any]:
    """Return the versions, the hardware and the commit of this process, as env.json holds them."""
    import torch  # heavy: who only reads run directories does without

    from fedgroup.device import describe, pick

    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": platform.machine(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": describe(pick()),
        "commit": _commit(Path(__file__).resolve().parents[2]),
    }


def continued(before: Mapping[str, Any] | None, now: dict[str, Any]) -> dict[str, Any]:
    """Return the environment of a run that goes on: of this try, and under `before` other ones.

    Args:
        before: What env.json says of the tries so far; None at the first.
        now: Environment of this process.

    Returns:
        What env.json is to say; a try that differs only in its start is not listed.
    """
    if not before:
        return now
    last = {key: value for key, value in before.items() if key != "before"}
    other = {key: value for key, value in last.items() if key != "started"}
    same = other.items() == {k: v for k, v in now.items() if k != "started"}.items()
    earlier = [*before.get("before", []), *([] if same else [last])]
    return {**now, "before": earlier} if earlier else now


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _commit(home: Path) -> str:
    """Return the commit of our own checkout; that of a repository around it says nothing of us."""
    top = _git(home, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != home or _git(home, "ls-files", OURS) != OURS:
        return "unknown"
    return _git(home, "describe", "--always", "--dirty") or "unknown"


def _git(folder: Path, *words: str) -> str | None:
    """Return what a git command prints in a folder; None where it fails.

    GIT_DIR and its like, set in hooks, name another repository: they are left out.
    """
    variables = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=folder,
            env=variables | {"LC_ALL": "C"},
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
