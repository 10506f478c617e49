from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from tests.fedgroup.attacks.gradient_matching.quick import QUICK, address, birdlike


def test_fewer_targets_are_among_more_and_leave_the_bases() -> None:
    few = QUICK.plan(birdlike(), address())
    many = replace(QUICK, targets=40).plan(birdlike(), address())
    assert set(few.targets) < set(many.targets)
    np.testing.assert_array_equal(few.bases, many.bases)
    rarer = replace(QUICK, fraction=0.004).plan(birdlike(), address())
    assert len(rarer.bases) == 19 and set(rarer.bases) < set(few.bases)
    assert set(birdlike().test.y[many.targets]) == {0}
    assert set(birdlike().test.group[many.targets]) == {0, 1}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fraction": 0.0002}, "is no poison at all: use at least"),
        (
            {"fraction": 0.02},
            "95 poisons need 95 bases, LRG-1 has 56 training samples: lower the fraction",
        ),
        (
            {"targets": 61},
            "61 targets asked for, the test split has 60 images of class a: set targets to at most 60",
        ),
    ],
)
def test_data_that_do_not_allow_the_attack(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(FedgroupError, match=message):
        replace(QUICK, **settings).poison(birdlike(), address())


def test_columns_that_contradict_each_other_are_refused() -> None:
    train = birdlike().train
    relabelled = replace(train, y=np.where(train.group == 2, 0, train.y))
    with pytest.raises(FedgroupError, match="a sample of LRG-1 does not have its class b"):
        QUICK.poison(birdlike()._replace(train=relabelled), address())
