"""Task: everything a client must know. It travels as JSON in each message; clients have no config."""

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from fedgroup import data, model
from fedgroup.data import partition
from fedgroup.dataset import Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.spec import build, component, to_dict
from fedgroup.train import TrainConfig


@dataclass(frozen=True)
class Task:
    """The data, how it is dealt to clients, the model, how a client trains, and the seed."""

    data: Any = component(data.NAMES, "synthbirds")
    """Data set: synthbirds, fashion, waterbirds, celeba, folder or my_pkg.mod:MyData."""
    partition: Any = component(partition.NAMES, "iid")
    """How training samples are dealt to clients."""
    model: Any = component(model.NAMES, "small")
    """Network and its starting weights."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """Local training of one client in one round."""
    seed: int = 0
    """Seeds the partition, the cohorts, the initial weights and every shuffle."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise FedgroupError(f"seed must be at least 0, got {self.seed}")

    def to_json(self) -> str:
        """Full settings as canonical JSON, equal for equal tasks."""
        return json.dumps(to_dict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Task":
        """Rebuild a task that to_json() wrote."""
        return build(cls, json.loads(text), "task")


@lru_cache(maxsize=2)
def load_splits(dataset: Any) -> Splits:
    """Load a data set once per process (components are frozen, so equal settings share one load)."""
    splits: Splits = dataset.load()
    for name, part in zip(Splits._fields, splits, strict=True):
        if len(part) == 0:
            raise FedgroupError(f"{part.info.name}: the {name} split has no samples")
    return splits


@lru_cache(maxsize=2)
def assign_clients(dataset: Any, scheme: Any, seed: int) -> tuple[Ints, ...]:
    """Positions in the training split held by each client; checked, and cached per process."""
    train = load_splits(dataset).train
    parts: list[Ints] = scheme.assign(train, seed)
    return tuple(parts)
