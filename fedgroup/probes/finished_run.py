"""What a finished run was: its task and its best model, from the run directory."""

from pathlib import Path

import torch
from torch import nn

from fedgroup.errors import FedgroupError
from fedgroup.frozen import check_same_model
from fedgroup.layout import Weights, write
from fedgroup.model import build_model
from fedgroup.spec import build
from fedgroup.storage import read_arrays, read_json
from fedgroup.task import Task


def finished_task(folder: Path) -> Task:
    """Return the task of a finished run, federated or centralized; refuse an unfinished one."""
    for name in ("spec.json", "result.json"):
        if not (folder / name).exists():
            raise FedgroupError(
                f"{folder} is not a finished run: it has no {name}; run it to its end first"
            )
    return build(Task, read_json(folder / "spec.json")["task"], "task")


def best_model(folder: Path, task: Task, classes: int, device: torch.device) -> nn.Module:
    """Return the model of a finished run after its round of highest validation WGA.

    Args:
        folder: The run directory.
        task: The task of the run.
        classes: Number of classes of its data.
        device: Where the model goes.

    Returns:
        The model, with the weights of best.npz.

    Raises:
        FedgroupError: where the weights cannot be read or belong to another layout.
    """
    model = build_model(task.model, classes, task.seed, device)
    check_same_model(read_json(folder / "result.json")["hashes"], model, folder)
    path = folder / "best.npz"
    try:
        weights = Weights.from_arrays(read_arrays(path))
    except Exception as error:  # a missing or damaged zip fails in many ways
        raise FedgroupError(
            f"cannot read {path} ({error}): delete {folder} and run it again"
        ) from error
    write(model, weights)
    return model
