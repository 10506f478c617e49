"""Data sets: ours hold the contract, and each check catches what it is there for."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from fedgroup.checks.dataset import check_dataset
from fedgroup.checks.toy_data import ContractData
from tests.fedgroup.checks.failures import failed


def test_our_data_set() -> None:
    assert failed(check_dataset(ContractData())) == {}


@dataclass(frozen=True)
class Broken:
    """The contract's data with one thing wrong in its training split."""

    wrong: str

    def load(self) -> Any:
        splits = ContractData().load()
        train, info = splits.train, splits.train.info
        changes: dict[str, Any] = {
            "group": {"group": 3 - train.group},
            "label": {"y": train.y + 5},
            "bank": {"bank": train.bank.to(torch.float32)},
            "index": {"index": np.zeros_like(train.index)},
            "poison": {"poison": ~train.poison},
            "row": {"row": train.row + len(train)},
            "tier": {"info": replace(info, tiers={"LRG-1": (9,)})},
            "std": {"info": replace(info, std=(0.0, 0.2, 0.2))},
            "leak": {"bank": splits.test.bank, "row": train.row % len(splits.test)},
            "random": {"y": np.random.default_rng().integers(0, 2, len(train))},
        }
        changed = replace(train, **changes[self.wrong])
        return splits._replace(
            train=changed,
            val=replace(splits.val, info=changed.info),
            test=replace(splits.test, info=changed.info),
        )


@pytest.mark.parametrize(
    ("wrong", "check", "words"),
    [
        ("group", "labels_and_groups", "2*y + a"),
        ("label", "labels_and_groups", "labels 5..6 in train"),
        ("bank", "pictures", "store pictures as torch.uint8"),
        ("index", "identity", "an index occurs twice in train"),
        ("poison", "identity", "marked as poison"),
        ("row", "pictures", "rows 1200..2399 of train in a bank of 1200"),
        ("tier", "tiers", "tiers name group [9]"),
        ("std", "normalisation", "must lie in (0, 1]"),
        ("leak", "identity", "200 pictures in both train and test"),
        ("random", "loads_repeat", "y of train differs between two loads"),
    ],
)
def test_careless_data_sets_are_caught(wrong: str, check: str, words: str) -> None:
    assert words in failed(check_dataset(Broken(wrong)))[check]
