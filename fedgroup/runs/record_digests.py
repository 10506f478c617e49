"""What binds the records of a run to its result.json: the run's id, and a digest of every file."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedgroup.errors import FedgroupError

RUN = "run"
"""Key of result.json: the run's id, which is the name of its directory."""
FILES = "records"
"""Key of result.json: SHA-256 by file name, as `sha256sum` prints it. Runs of 0.1.0 have none."""
BOUND = ("*.jsonl", "partition.csv", "poisons.csv", "best.npz", "selection-*.npz")
UNBOUND = ("timing.jsonl",)
"""Differs between equal runs, so it has no digest (as env.json)."""


def bound_to(folder: Path) -> dict[str, Any]:
    """Return what result.json says of its directory: the run's id and its files' digests."""
    files = sorted({path for pattern in BOUND for path in folder.glob(pattern)})
    digests = {path.name: digest(path) for path in files if path.name not in UNBOUND}
    return {RUN: folder.resolve().name, FILES: digests}


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def has_digests(stored: Mapping[str, Any]) -> bool:
    """Return whether a result names its run and its files; those of 0.1.0 do not."""
    return RUN in stored or FILES in stored


def check_bound(folder: Path, stored: Mapping[str, Any]) -> None:
    """Refuse the result of another run, and records that are not those it was made of.

    Args:
        folder: The run directory.
        stored: Its result.json, which has digests.

    Raises:
        FedgroupError: The reason, without the folder's name.
    """
    if stored.get(RUN) != folder.resolve().name:
        raise FedgroupError(f"its result.json is that of run {stored.get(RUN)!r}")
    files = stored.get(FILES)
    if not isinstance(files, dict) or "rounds.jsonl" not in files:
        raise FedgroupError("its result.json has no digest of rounds.jsonl")
    for name, expected in files.items():
        path = folder / Path(name).name
        if not path.is_file():
            raise FedgroupError(f"{name} is missing")
        if digest(path) != expected:
            raise FedgroupError(f"{name} is not the file that its result.json was made of")
