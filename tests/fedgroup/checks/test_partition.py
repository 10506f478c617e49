"""Partitions: ours hold the contract, and each check catches what it is there for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from fedgroup import partitions
from fedgroup.checks.partition import check_partition
from fedgroup.spec import resolve
from tests.fedgroup.checks.failures import failed


@pytest.mark.parametrize(
    "name", [name for name in partitions.NAMES if name not in ("lists", "flwr_datasets")]
)
def test_our_partitions(name: str) -> None:
    assert failed(check_partition(resolve(partitions.NAMES, name)())) == {}


@dataclass(frozen=True)
class Dealt:
    """Whatever the test says, to ten clients."""

    deal: Callable[[int, int], list[Any]]

    def assign(self, train: Any, seed: int) -> list[Any]:
        return self.deal(len(train), seed)


@pytest.mark.parametrize(
    ("deal", "check", "words"),
    [
        (lambda n, _: [np.arange(n)] * 2, "disjoint_positions", "is dealt to clients 0 and 1"),
        (lambda n, _: [np.arange(n) + 1], "disjoint_positions", "do not all exist"),
        (lambda n, _: [np.arange(n)[::-1]], "disjoint_positions", "not sorted"),
        (lambda n, _: [list(range(n))], "disjoint_positions", "got a list"),
        (
            lambda n, _: np.array_split(np.arange(n), 10),
            "empty_shards_named",
            "client 3 of 10 got none",
        ),
        (
            lambda n, _: [np.sort(np.random.default_rng().permutation(n)[:9])],
            "seeds_repeat",
            "seeding.rng",
        ),
    ],
)
def test_careless_partitions_are_caught(deal: Any, check: str, words: str) -> None:
    assert words in failed(check_partition(Dealt(deal)))[check]
