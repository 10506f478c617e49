"""What data sets, attacks and partitions give back, through the task that asks for it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from fedgroup.dataset import Splits
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.guards.data_results import checked_counts
from fedgroup.partitions.iid import Iid
from fedgroup.task import Task, assign_clients, attack_success, load_splits, prepared_splits
from tests.toy import ToyData, ToyModel


@dataclass(frozen=True)
class Spoilt:
    """The toy data after a change; `how` says which."""

    how: str

    def load(self) -> Any:
        splits = ToyData().load()
        train = splits.train
        change: dict[str, Callable[[], Any]] = {
            "dict": lambda: {"train": train},
            "array": lambda: Splits(np.zeros(3), splits.val, splits.test),  # type: ignore[arg-type]
            "float": lambda: splits._replace(train=replace(train, y=train.y.astype(float))),
            "label": lambda: splits._replace(train=replace(train, y=train.y + 1)),
            "row": lambda: splits._replace(train=replace(train, row=train.row + 1)),
            "short": lambda: splits._replace(train=replace(train, group=train.group[:-1])),
            "raise": lambda: 1 / 0,
        }
        return change[self.how]()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("dict", "Spoilt.load returned dict, expected Splits"),
        ("array", r"Spoilt.load returned \(3,\) float64 as train, expected a GroupedDataset"),
        ("float", r"Spoilt.load returned \(80,\) float64 as y of train, expected \(80,\) int64"),
        ("label", r"Spoilt.load returned y 1..2 in train, expected 0..1"),
        ("row", r"Spoilt.load returned row 1..80 in train, expected 0..79"),
        ("short", r"Spoilt.load returned \(79,\) int64 as group of train"),
        ("raise", r"Spoilt.load raised ZeroDivisionError"),
    ],
)
def test_a_data_set_of_another_shape_is_refused(how: str, words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        load_splits(Spoilt(how))


def test_columns_that_are_handed_out_cannot_be_written_to() -> None:
    splits = load_splits(ToyData())
    for split in splits:
        with pytest.raises(ValueError, match="read-only"):
            split.y[0] = 1


@dataclass(frozen=True)
class Vandal:
    """An attack that does what it may not; `how` says what."""

    paired: ClassVar[bool] = False
    reference: ClassVar[bool] = False
    how: str = ""

    def poison(self, splits: Splits, rng: np.random.Generator) -> Any:
        train = splits.train
        if self.how == "pictures":
            train.bank[0] = 0
        elif self.how == "labels":
            train.y[0] = 1
        elif self.how == "test":
            return splits._replace(test=replace(splits.test, y=1 - splits.test.y))
        elif self.how == "twice":
            return splits._replace(train=replace(train, index=np.zeros_like(train.index)))
        elif self.how == "train alone":
            return train
        return splits

    def success(self, predict: Any, splits: Splits, rng: np.random.Generator) -> Any:
        return (1, 2)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("pictures", "Vandal.poison wrote into the pictures"),
        ("labels", "Vandal.poison writes into an array that it was given"),
        ("test", "Vandal.poison changed the test split: poison splits.train alone"),
        ("twice", "Vandal.poison returned a train split in which an index occurs twice"),
        ("train alone", "Vandal.poison returned GroupedDataset, expected Splits"),
    ],
)
def test_an_attack_may_change_the_training_split_alone(how: str, words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        prepared_splits(Task(ToyData(), Vandal(how)))
    load_splits.cache_clear()  # its pictures were written to


def test_what_an_attack_counts_is_checked() -> None:
    task = Task(ToyData(), Vandal(), model=ToyModel())
    with pytest.raises(FedgroupError, match="Vandal.success returned tuple, expected Counts"):
        attack_success(task, lambda view: view.y)
    for counts, words in (
        (Counts((3,), (4,)), "expected whole numbers of 2 groups"),
        (Counts((0.5, 1), (4, 4)), "expected whole numbers"),  # type: ignore[arg-type]
    ):
        with pytest.raises(FedgroupError, match=f"A.success returned counts .*{words}"):
            checked_counts("A.success", counts, 2)


@dataclass(frozen=True)
class Dealer:
    """A partition that gives back something else."""

    clients: int = 2
    how: str = ""

    def assign(self, train: Any, seed: int) -> Any:
        half = len(train) // 2
        return {
            "mask": [np.arange(len(train)) < half, np.arange(len(train)) >= half],
            "negative": [np.arange(-half, 0), np.arange(half)],
            "shared": [np.arange(half), np.arange(half)],
            "lists": [list(range(half)), list(range(half, len(train)))],
            "one": np.arange(len(train)),
            "drawn": np.array_split(
                np.random.permutation(len(train)),  # noqa: NPY002
                2,
            ),
        }[self.how]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("mask", r"Dealer.assign returned \(80,\) bool for client 0"),
        ("negative", "positions -40..-1 do not all exist"),
        ("shared", "dealt to clients 0 and 1"),
        ("lists", "Dealer.assign returned list for client 0"),
        ("one", r"Dealer.assign returned \(80,\) int64, expected a list"),
    ],
)
def test_a_partition_that_deals_no_positions_is_refused(how: str, words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        assign_clients(Task(ToyData(), partition=Dealer(how=how)))


def test_a_partition_that_draws_from_a_global_stream_deals_the_same_everywhere() -> None:
    shards = []
    for _ in range(2):
        np.random.seed()  # noqa: NPY002
        shards.append(assign_clients(Task(ToyData(), partition=Dealer(how="drawn"))))
        assign_clients(Task(ToyData(), partition=Iid(3)))
        assign_clients(Task(ToyData(), partition=Iid(4)))  # two others: the first is forgotten
    assert shards[0] is not shards[1]
    assert all(np.array_equal(a, b) for a, b in zip(*shards, strict=True))
