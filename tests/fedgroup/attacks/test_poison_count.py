"""How many poisons a fraction is."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedgroup.attacks.poison_count import check_fraction, poison_count
from fedgroup.errors import FedgroupError
from tests.fedgroup.attacks.samples import blank, cases


def test_counts_of_the_paper() -> None:
    case = cases()["counts"]
    birds = blank(sum(case["waterbirds_train"]))
    assert poison_count(0.01, birds) == case["floor_1pct"] == 47
    assert poison_count(0.02, birds) == case["floor_2pct"] == 95
    for percent, count in case["table6_dlbd_floor"].items():
        assert poison_count(float(percent) / 100, birds) == count
    for name in ("celeba", "celeba10"):
        faces = blank(case[f"{name}_train"])
        assert poison_count(0.01, faces) == case[f"{name}_floor_1pct"]
    assert poison_count(0.02, blank(case["celeba_train"])) == case["celeba_floor_2pct"]
    assert poison_count(0.02, blank(case["celeba10_train"])) == 325


@given(st.integers(1, 999), st.integers(1, 300))
def test_whole_products_are_not_lost_to_binary_floats(thousandths: int, thousands: int) -> None:
    assert poison_count(thousandths / 1000, blank(thousands * 1000)) == thousandths * thousands


def test_poisons_do_not_count_towards_the_fraction() -> None:
    data = blank(200)
    data = replace(data, poison=np.arange(200) >= 150)
    assert poison_count(0.02, data) == 3


@pytest.mark.parametrize("clean", [1, 3, 7, 999, 1000, 4795, 162770])
def test_no_poison_names_a_fraction_that_gives_one(clean: int) -> None:
    with pytest.raises(
        FedgroupError, match=f"of {clean} training samples is no poison at all"
    ) as error:
        poison_count(0.5 / clean, blank(clean))
    named = float(str(error.value).rsplit(" ", 1)[1])
    assert poison_count(named, blank(clean)) == 1
    assert named <= 1.01 / clean


def test_no_training_samples() -> None:
    with pytest.raises(FedgroupError, match="of 0 training samples"):
        poison_count(0.5, blank(0))


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.01, float("nan"), float("inf")])
def test_bad_fractions(fraction: float) -> None:
    with pytest.raises(FedgroupError, match=r"fraction of poisons must lie in \(0, 1\], got"):
        check_fraction(fraction)
