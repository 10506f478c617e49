"""Attacks on samples: ours hold the contract, and each check catches what it is there for."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from fedgroup import attacks
from fedgroup.attacks.attack import insert, refuse_poisoned
from fedgroup.attacks.none import NoAttack
from fedgroup.checks.sample_attack import check_sample_attack
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.spec import resolve
from tests.fedgroup.checks.failures import failed


@pytest.mark.parametrize("name", ["dlbd", "sa"])
def test_our_sample_attacks(name: str) -> None:
    assert failed(check_sample_attack(resolve(attacks.NAMES, name)())) == {}


@dataclass(frozen=True)
class CarelessAttack:
    """Breaks nearly everything: global randomness, unmarked poisons, a poisoned test split."""

    fraction: float = 0.1

    def poison(self, splits: Any, rng: Any) -> Any:
        chosen = np.random.default_rng().random(len(splits.train)) < 0.1
        y = np.where(chosen, 1 - splits.train.y, splits.train.y)
        return splits._replace(
            train=replace(splits.train, y=y), test=splits.test.keep(splits.test.y == 0)
        )

    def success(self, predict: Any, splits: Any, rng: Any) -> Any:
        return Counts((3, 3), (3, 3))


@dataclass
class OutOfRange:
    """Poisons of a class that does not exist, in settings that can change."""

    def poison(self, splits: Any, rng: Any) -> Any:
        train = insert(splits.train, np.arange(5), 0)
        return splits._replace(train=replace(train, y=np.where(train.poison, 7, train.y)))

    def success(self, predict: Any, splits: Any, rng: Any) -> Any:
        return NoAttack().success(predict, splits, rng)


def test_careless_sample_attacks_are_caught() -> None:
    seen = failed(check_sample_attack(CarelessAttack()))
    assert "test split is no longer clean" in seen["training_part_only"]
    assert "no sample is marked as poison" in seen["poisons_are_marked"]
    assert "draw from the generator" in seen["seeds_repeat"]
    assert "counts of 2 groups, expected 4" in seen["success_is_counted"]
    assert "insert" in seen["poisoned_data_refused"]
    assert "nan was taken" in seen["settings_are_checked"]
    seen = failed(check_sample_attack(OutOfRange()))
    assert "labels 0..7, expected 0..1" in seen["identity_is_kept"]
    assert "no test sample counts" in seen["success_is_counted"]
    assert "frozen=True" in seen["frozen_settings"]
    assert "labels 0..7 of three classes" in seen["more_classes"]
    assert set(seen) == {
        "frozen_settings",
        "identity_is_kept",
        "more_classes",
        "success_is_counted",
    }


@dataclass(frozen=True)
class OtherLabel:
    """Right with two classes: the first samples of class 1 or 2 under the label 1 - y."""

    paired: ClassVar[bool] = False
    reference: ClassVar[bool] = False
    by_hand: bool = False

    def poison(self, splits: Any, rng: Any) -> Any:
        train = splits.train
        bases = np.flatnonzero(train.y == train.y.max())[:5]
        if not self.by_hand:
            return splits._replace(train=insert(train, bases, 1 - train.y[bases]))
        refuse_poisoned(train)
        chosen = np.isin(np.arange(len(train)), bases)
        y = np.where(chosen, 1 - train.y, train.y)
        return splits._replace(train=replace(train, y=y, poison=chosen))

    def success(self, predict: Any, splits: Any, rng: Any) -> Any:
        test = splits.test
        return Counts.of(predict(test), test.y, test.group, len(test.info.groups))


@pytest.mark.parametrize("by_hand", [False, True])
def test_an_attack_made_for_two_classes_is_caught(by_hand: bool) -> None:
    seen = failed(check_sample_attack(OtherLabel(by_hand)))
    assert set(seen) == {"more_classes"}
    assert "1 - y" in seen["more_classes"]


def test_an_attack_that_refuses_three_classes_by_name_passes() -> None:
    class Refuses(OtherLabel):
        def poison(self, splits: Any, rng: Any) -> Any:
            if len(splits.train.info.classes) > 2:
                raise FedgroupError("this attack is for two classes")
            return super().poison(splits, rng)

    assert not failed(check_sample_attack(Refuses()))
