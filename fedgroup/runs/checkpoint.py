"""The state that a stopped run goes on from, and its file.

checkpoint.npz holds the named arrays of the state and, as JSON text under `__head__`, the round,
the small facts and the length that every record file had. Equal runs have equal checkpoints, so the
length of timing.jsonl is not in it: seconds are cut by their round.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fedgroup.errors import FedgroupError
from fedgroup.storage import Arrays, read_arrays, write_arrays

HEAD = "__head__"


@dataclass(frozen=True)
class Checkpoint:
    """State of a run after a round."""

    round: int
    """Rounds done: communication rounds, or epochs of a centralized run; 0 is the start."""
    arrays: Arrays
    """The model's vectors and what the rule, the attack or the method carries, by name."""
    facts: dict[str, Any]
    """Plain values that the run keeps, such as the hash of the model's layout."""

    def part(self, prefix: str) -> Arrays:
        """Return the arrays named PREFIX.*, without the prefix."""
        start = f"{prefix}."
        return {
            name.removeprefix(start): array
            for name, array in self.arrays.items()
            if name.startswith(start)
        }


def write_checkpoint(path: Path, checkpoint: Checkpoint, lengths: Mapping[str, int]) -> None:
    """Write a checkpoint to `path`, whole or not at all.

    Args:
        path: The .npz file.
        checkpoint: State of the run.
        lengths: Bytes in each record file that equal runs have in common, by its name.
    """
    head = {"round": checkpoint.round, "lengths": lengths, "facts": checkpoint.facts}
    write_arrays(path, {**checkpoint.arrays, HEAD: np.array(json.dumps(head))})


def read_checkpoint(path: Path) -> tuple[Checkpoint, dict[str, int]]:
    """Return the checkpoint at `path` and the record files' lengths; refuse a damaged file."""
    try:
        arrays = read_arrays(path)
        head = json.loads(str(arrays.pop(HEAD)))
        return Checkpoint(head["round"], arrays, head["facts"]), dict(head["lengths"])
    except Exception as error:  # a damaged zip fails in many ways
        raise FedgroupError(
            f"{path} is damaged ({error}); delete {path.parent} to start this run again"
        ) from error


def length_until(path: Path, number: int) -> int:
    """Return the bytes of a .jsonl file up to its last whole line of round `number` or before."""
    length = 0
    for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
        try:
            if not line.endswith(b"\n") or int(json.loads(line)["round"]) > number:
                break
        except (ValueError, KeyError, TypeError):  # damaged: what follows counts as lost
            break
        length += len(line)
    return length
