"""The server's own training on a small clean root set, for rules such as FLTrust."""

import numpy as np
import torch
from torch import nn

from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.errors import FedgroupError
from fedgroup.layout import Weights, read, write
from fedgroup.seeding import rng
from fedgroup.task import Task
from fedgroup.train import fit
from strategies.aggregator import Vector


class RootTrainer:
    """Trains the global model on the root set, once per round, with the clients' settings."""

    def __init__(
        self,
        task: Task,
        train: GroupedDataset,
        kind: str,
        size: int,
        model: nn.Module,
        device: torch.device,
    ) -> None:
        self.task = task
        self.model = model
        self.device = device
        self.data = train.take(draw(train, kind, size, task.seed))

    def __call__(self, number: int, weights: Weights) -> Vector:
        """Parameters (P,) after local training from the global `weights` in round `number`."""
        write(self.model, weights)
        fit(
            self.model, self.data, self.task.train, rng(self.task.seed, "root", number), self.device
        )
        return read(self.model).theta


def draw(train: GroupedDataset, kind: str, size: int, seed: int) -> Ints:
    """Positions of a root set of clean samples: `natural` proportions, or `balanced` over groups."""
    clean = np.flatnonzero(~train.poison)
    generator = rng(seed, "root")
    if size > len(clean):
        raise FedgroupError(f"root_size {size} exceeds the {len(clean)} clean training samples")
    if kind == "natural":
        return np.sort(generator.choice(clean, size, replace=False))
    present = np.unique(train.group[clean])
    each = size // len(present)
    parts = []
    for group in present:
        members = clean[train.group[clean] == group]
        if each < 1 or each > len(members):
            raise FedgroupError(
                f"a balanced root set of {size} needs {each} samples of each of {len(present)} groups; "
                f"'{train.info.groups[group]}' has {len(members)}: change root_size"
            )
        parts.append(generator.choice(members, each, replace=False))
    return np.sort(np.concatenate(parts))
