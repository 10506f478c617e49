"""Task: everything a client must know. It travels as JSON in each message; clients have no config."""

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from fedgroup import attacks, data, model
from fedgroup.attacks.attack import Predict
from fedgroup.attacks.malicious_clients import Attackers, deal
from fedgroup.attacks.none import NoAttack
from fedgroup.dataset import Ints, Splits, place
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.partitions import partition
from fedgroup.seeding import rng
from fedgroup.spec import build, component, to_dict
from fedgroup.train import TrainConfig


@dataclass(frozen=True)
class Task:
    """The data, the attack on them, how they are dealt to clients, the model, training, and the seed."""

    data: Any = component(data.NAMES, "synthbirds")
    """Data set: synthbirds, fashion, waterbirds, celeba, folder or my_pkg.mod:MyData."""
    attack: Any = component(attacks.NAMES, "none")
    """Attack on the training samples: none, dlbd, sa, gm or my_pkg.mod:MyAttack."""
    attack_seed: int | None = 0
    """Seed of the poison set: the same poisons in every run. null draws them anew with each run's seed."""
    inject: bool = True
    """false leaves the poisons out and still measures the attack: its clean reference."""
    attackers: Attackers = field(default_factory=Attackers)
    """Which clients are malicious: they hold the poisons, and forge updates where the federation says so."""
    partition: Any = component(partition.NAMES, "iid")
    """How clean training samples are dealt to clients."""
    model: Any = component(model.NAMES, "small")
    """Network and its starting weights."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """Local training of one client in one round."""
    seed: int = 0
    """Seeds the partition, the cohorts, the initial weights and every shuffle."""

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise FedgroupError(f"seed must be at least 0, got {self.seed}")
        if self.attack_seed is not None and self.attack_seed < 0:
            raise FedgroupError(f"attack_seed must be at least 0 or null, got {self.attack_seed}")

    def to_json(self) -> str:
        """Full settings as canonical JSON, equal for equal tasks."""
        return json.dumps(to_dict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Task":
        """Rebuild a task that to_json() wrote."""
        return build(cls, json.loads(text), "task")

    def attack_rng(self) -> np.random.Generator:
        """Fresh generator of the attack; the same stream in every call."""
        return rng(self.seed if self.attack_seed is None else self.attack_seed, "attack")


@lru_cache(maxsize=2)
def load_splits(dataset: Any) -> Splits:
    """Load a clean data set once per process (components are frozen, so equal settings share one load)."""
    splits: Splits = dataset.load()
    for name, part in zip(Splits._fields, splits, strict=True):
        if len(part) == 0:
            raise FedgroupError(f"{part.info.name}: the {name} split has no samples")
    return splits


def prepared_splits(task: Task) -> Splits:
    """The data a run trains and is measured on: poisoned by the task's attack, unless it injects nothing."""
    if not task.inject or type(task.attack) is NoAttack:
        return load_splits(task.data)
    return _poisoned(_data_of(task))


def placed_splits(task: Task, device: torch.device) -> Splits:
    """The prepared splits with their images on `device` where it holds them, moved there once per process."""
    return _placed(_data_of(task), device)


def _data_of(task: Task) -> Task:
    """The task with defaults for all that its splits do not depend on: equal for runs that share them."""
    if not task.inject or type(task.attack) is NoAttack:
        return Task(task.data)
    return Task(
        task.data, task.attack, task.attack_seed, seed=task.seed if task.attack_seed is None else 0
    )


@lru_cache(maxsize=2)
def _poisoned(task: Task) -> Splits:
    splits: Splits = task.attack.poison(load_splits(task.data), task.attack_rng())
    return splits


@lru_cache(maxsize=1)
def _placed(task: Task, device: torch.device) -> Splits:
    return place(prepared_splits(task), device)


def attack_success(task: Task, predict: Predict) -> Counts | None:
    """Hits and counted samples per group of the task's attack on a model; None without an attack."""
    if type(task.attack) is NoAttack:
        return None
    found: Counts = task.attack.success(predict, prepared_splits(task), task.attack_rng())
    return found


def assign_clients(task: Task) -> tuple[Ints, ...]:
    """Positions in the prepared training split held by each client; checked, and cached per process."""
    key = (
        task.data,
        task.attack,
        task.attack_seed,
        task.inject,
        task.attackers,
        task.partition,
        task.seed,
    )
    return _assigned(*key)


@lru_cache(maxsize=2)
def _assigned(
    dataset: Any,
    attack: Any,
    attack_seed: int | None,
    inject: bool,
    attackers: Attackers,
    scheme: Any,
    seed: int,
) -> tuple[Ints, ...]:
    task = Task(dataset, attack, attack_seed, inject, attackers, scheme, seed=seed)
    train = prepared_splits(task).train
    clean = np.flatnonzero(~train.poison)
    parts: list[Ints] = scheme.assign(train.take(clean), seed)
    shards = [clean[part] for part in parts]
    return tuple(deal(shards, train, attackers, seed))


def malicious_clients(task: Task) -> tuple[int, ...]:
    """Partition ids of the malicious clients, sorted; empty where every client is honest."""
    return task.attackers.choose(assign_clients(task), prepared_splits(task).train, task.seed)
