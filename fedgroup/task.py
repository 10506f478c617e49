"""Task: what a client must know. It travels as JSON in each message; clients have no config."""

import json
from dataclasses import dataclass, field

import numpy as np
import torch

from fedgroup import attacks, data, model, partitions
from fedgroup.attacks.attack import Attack, Predict
from fedgroup.attacks.malicious_clients import Attackers, deal_poisons
from fedgroup.attacks.none import NoAttack
from fedgroup.dataset import Dataset, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.guards.data_results import (
    checked_counts,
    checked_parts,
    checked_poisoned,
    checked_splits,
    picture_versions,
)
from fedgroup.guards.surroundings import component_call, name_of
from fedgroup.identity.data_files import content_of, look_again
from fedgroup.identity.run_identity import content_digest
from fedgroup.image_placement import place
from fedgroup.model import Model
from fedgroup.partitions.partition import Partition, validate
from fedgroup.seeding import rng
from fedgroup.settings.settings_cache import cached_by_settings
from fedgroup.spec import build, component, to_dict
from fedgroup.train import TrainConfig


@dataclass(frozen=True)
class Task:
    """The data, the attack on them, who holds them, the model, how it trains, and the seed."""

    data: Dataset = component(data.NAMES, "synthbirds")
    """Data set: synthbirds, fashion, waterbirds, celeba, folder or my_pkg.mod:MyData."""
    attack: Attack = component(attacks.NAMES, "none")
    """Attack on the training samples: none, dlbd, sa, gm or my_pkg.mod:MyAttack."""
    attack_seed: int | None = 0
    """Seed of the poison set: equal poisons in every run. null draws them with each run's seed."""
    inject: bool = True
    """false leaves the poisons out and still measures the attack: its clean reference."""
    attackers: Attackers = field(default_factory=Attackers)
    """Malicious clients: they hold the poisons, and forge updates where the federation says so."""
    partition: Partition = component(partitions.NAMES, "iid")
    """Which client holds which clean training samples."""
    model: Model = component(model.NAMES, "small")
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
        """Return the full settings as canonical JSON, equal for equal tasks."""
        return json.dumps(to_dict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Task":
        """Rebuild a task that to_json() wrote."""
        return build(cls, json.loads(text), "task")

    def attack_rng(self) -> np.random.Generator:
        """Return a fresh generator of the attack; the same stream in every call."""
        return rng(self.seed_of_attack, "attack")

    @property
    def seed_of_attack(self) -> int:
        """The seed under which the attack draws."""
        return self.seed if self.attack_seed is None else self.attack_seed


def forget_changed_data() -> None:
    """Load data, poisons and partitions anew where their files have changed since."""
    if look_again():
        for remembered in (load_splits, _poisoned, _placed, _assigned):
            remembered.cache_clear()


def check_same_content(task: Task, expected: str) -> None:
    """Refuse a task whose code or data files are not the server's; look at files anew before.

    Args:
        task: The task as this process would train it.
        expected: What `content_digest` gave the server.

    Raises:
        FedgroupError: They are others.
    """
    if content_digest(task) != expected:
        forget_changed_data()
    if content_digest(task) != expected:
        raise FedgroupError(
            f"this client's code or data files are not the server's (content "
            f"{content_digest(task) or 'none'}, the server has {expected or 'none'}): copy the "
            f"modules, pictures, metadata and partition files of one to the other, then start the "
            f"client anew"
        )


@cached_by_settings(maxsize=2)
def load_splits(dataset: Dataset) -> Splits:
    """Load a clean data set once per process; refuse one with an empty split.

    Equal settings share one load.
    """
    content_of(dataset)  # before it is read, so that a later change is noticed
    with component_call(dataset, "load"):
        loaded = dataset.load()
    splits = checked_splits(name_of(dataset, "load"), loaded)
    for name, part in zip(Splits._fields, splits, strict=True):
        if len(part) == 0:
            raise FedgroupError(f"{part.info.name}: the {name} split has no samples")
    return splits


def prepared_splits(task: Task) -> Splits:
    """Return the data of a run, poisoned by the task's attack unless it injects nothing."""
    if not task.inject or type(task.attack) is NoAttack:
        return load_splits(task.data)
    return _poisoned(_data_of(task))


def placed_splits(task: Task, device: torch.device) -> Splits:
    """Return the prepared splits, images on `device` where they fit; moved once per process."""
    return _placed(_data_of(task), device)


def _data_of(task: Task) -> Task:
    """Return the task with defaults for all that its splits do not depend on: runs share them."""
    if not task.inject or type(task.attack) is NoAttack:
        return Task(task.data)
    return Task(
        task.data, task.attack, task.attack_seed, seed=task.seed if task.attack_seed is None else 0
    )


@cached_by_settings(maxsize=2)
def _poisoned(task: Task) -> Splits:
    clean = load_splits(task.data)
    versions = picture_versions(clean)
    content_of(task.attack)
    with component_call(task.attack, "poison", task.seed_of_attack):
        poisoned = task.attack.poison(clean, task.attack_rng())
    return checked_poisoned(name_of(task.attack, "poison"), poisoned, clean, versions)


@cached_by_settings(maxsize=1)
def _placed(task: Task, device: torch.device) -> Splits:
    return place(prepared_splits(task), device)


def attack_success(task: Task, predict: Predict) -> Counts | None:
    """Return the attack's wins and counted samples per group on a model; None without an attack."""
    if type(task.attack) is NoAttack:
        return None
    splits = prepared_splits(task)
    with component_call(task.attack, "success", task.seed_of_attack):
        wins = task.attack.success(predict, splits, task.attack_rng())
    groups = len(splits.test.info.groups)
    return checked_counts(name_of(task.attack, "success"), wins, groups)


def assign_clients(task: Task) -> tuple[Ints, ...]:
    """Return the positions in the prepared training split that each client holds.

    Checked, and cached per process by what it depends on.
    """
    return _assigned(
        Task(
            task.data,
            task.attack,
            task.attack_seed,
            task.inject,
            task.attackers,
            task.partition,
            seed=task.seed,
        )
    )


@cached_by_settings(maxsize=2)
def _assigned(task: Task) -> tuple[Ints, ...]:
    train = prepared_splits(task).train
    clean = np.flatnonzero(~train.poison)
    content_of(task.partition)
    with component_call(task.partition, "assign", task.seed):
        parts = task.partition.assign(train.take(clean), task.seed)
    dealt = checked_parts(name_of(task.partition, "assign"), parts)
    shards = [clean[part] for part in validate(dealt, len(clean), complete=False)]
    return tuple(deal_poisons(shards, train, task.attackers, task.seed))


def malicious_clients(task: Task) -> tuple[int, ...]:
    """Return the partition ids of the malicious clients, sorted; empty where all are honest."""
    return task.attackers.choose(assign_clients(task), prepared_splits(task).train, task.seed)
