"""The check of every family that a component leaves the process as it found it."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from fedgroup.attacks.backdoor import Backdoor
from fedgroup.checks.dataset import check_dataset
from fedgroup.checks.method import check_method
from fedgroup.checks.partition import check_partition
from fedgroup.checks.runner import Answer
from fedgroup.checks.sample_attack import check_sample_attack
from fedgroup.checks.toy_data import ContractData
from fedgroup.checks.update_attack import check_update_attack
from fedgroup.methods.erm import ERM
from fedgroup.partitions.iid import Iid
from strategies.checks.rule_checks import check_aggregator
from tests.fedgroup.checks.failures import failed
from tests.toy import MeanOfTwo


@dataclass(frozen=True)
class Rule(MeanOfTwo):
    def step(self, *args: Any) -> Any:
        torch.set_num_threads(2)
        return super().step(*args)


@dataclass(frozen=True)
class Forger:
    def init(self, size: int) -> dict[str, Any]:
        return {}

    def forge(self, state: Any, own: Any, honest: Any, rng: Any, ids: Any = None) -> Any:
        noise = np.random.normal(size=len(honest[0]))  # noqa: NPY002
        return [noise.astype(np.float32) for _ in own], state


@dataclass(frozen=True)
class Data(ContractData):
    def load(self) -> Any:
        torch.set_default_dtype(torch.float64)
        return super().load()


@dataclass(frozen=True)
class Poisons(Backdoor):
    def poison(self, *args: Any) -> Any:
        np.seterr(all="ignore")
        return super().poison(*args)


@dataclass(frozen=True)
class Dealer(Iid):
    def assign(self, *args: Any) -> Any:
        random.random()
        return super().assign(*args)


@dataclass(frozen=True)
class Method(ERM):
    def run(self, *args: Any) -> None:
        super().run(*args)
        torch.set_float32_matmul_precision("medium")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = torch.get_num_threads(), torch.get_float32_matmul_precision(), np.geterr()
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_num_threads(before[0])
    torch.set_float32_matmul_precision(before[1])
    np.seterr(**before[2])


@pytest.mark.parametrize(
    ("check", "component", "words"),
    [
        (check_aggregator, Rule(), "it changes torch's number of threads"),
        (check_update_attack, Forger(), "global random stream of numpy"),
        (check_dataset, Data(), "it changes torch's default dtype"),
        (check_sample_attack, Poisons(), "it changes numpy's error handling"),
        (check_partition, Dealer(clients=4), "global random stream of random"),
        (check_method, Method(), "it changes torch's matmul precision"),
    ],
    ids=["rule", "update attack", "data set", "sample attack", "partition", "method"],
)
def test_every_family_is_asked(
    check: Callable[[Any], Iterator[Answer]], component: Any, words: str
) -> None:
    assert words in failed(check(component))["surroundings_stay"]
