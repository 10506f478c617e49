"""The server's own training on a small clean root set, for rules that need it, such as FLTrust."""

from typing import Literal, Protocol, runtime_checkable

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

Kind = Literal["natural", "balanced"]
"""Root samples drawn as the training set is, or equally from every group."""


@runtime_checkable
class HasRootSet(Protocol):
    """A rule that needs the input `root` says what its root set is."""

    @property
    def root_set(self) -> Kind:
        """How the root samples are drawn."""
        ...

    @property
    def root_size(self) -> int:
        """How many they are."""
        ...


class RootTrainer:
    """Trains the global model on the root set, once per round, with the clients' settings."""

    def __init__(
        self,
        rule: object,
        task: Task,
        train: GroupedDataset,
        model: nn.Module,
        device: torch.device,
    ) -> None:
        """Draw the root set.

        Args:
            rule: The rule that needs it.
            task: Settings of the training, and the seed.
            train: The training split.
            model: A model of the right layout; its tensors are overwritten in every round.
            device: Where it trains.

        Raises:
            FedgroupError: The rule does not say what its root set is, or there are too few samples.
        """
        if not isinstance(rule, HasRootSet):
            raise FedgroupError(
                f"{type(rule).__name__} needs root but has no root_set and root_size: add them as "
                f"settings"
            )
        self.task = task
        self.model = model
        self.device = device
        self.data = train.take(draw(train, rule.root_set, rule.root_size, task.seed))

    def __call__(self, number: int, weights: Weights) -> Vector:
        """Return the parameters (D,) after training from the global `weights` in round `number`."""
        write(self.model, weights)
        generator = rng(self.task.seed, "root", number)
        fit(self.model, self.data, self.task.train, generator, self.device)
        return read(self.model).theta


def draw(train: GroupedDataset, kind: Kind, size: int, seed: int) -> Ints:
    """Draw a root set among the clean samples.

    Args:
        train: The training split.
        kind: natural, or balanced over the groups.
        size: Samples of the root set; balanced takes a multiple of the groups.
        seed: Seed of the task.

    Returns:
        Sorted positions in the split.

    Raises:
        FedgroupError: There are too few clean samples, or too few of a group, or a balanced set
            would have to be smaller than it says.
    """
    clean = np.flatnonzero(~train.poison)
    generator = rng(seed, "root")
    if size > len(clean):
        raise FedgroupError(f"root_size {size} exceeds the {len(clean)} clean training samples")
    if kind == "natural":
        return np.sort(generator.choice(clean, size, replace=False))
    present = np.unique(train.group[clean])
    each, rest = divmod(size, len(present))
    if rest:
        near = [n for n in (size - rest, size - rest + len(present)) if n]
        raise FedgroupError(
            f"a balanced root set takes equally from {len(present)} groups, and root_size {size} "
            f"is no multiple: set {' or '.join(map(str, near))}"
        )
    parts = []
    for group in present:
        members = clean[train.group[clean] == group]
        if each < 1 or each > len(members):
            raise FedgroupError(
                f"a balanced root set of {size} needs {each} samples of each of {len(present)} "
                f"groups; '{train.info.groups[group]}' has {len(members)}: change root_size"
            )
        parts.append(generator.choice(members, each, replace=False))
    return np.sort(np.concatenate(parts))
