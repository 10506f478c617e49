"""Which counts the paper's cells come from: ground truth for a re-run, by exhaustive search."""

import math

import numpy as np
import pytest

from fedgroup.group_metrics import tier_rates
from tests.fedgroup.methods.cases import CASES, dataset

CASE = CASES["paper_mean_std_convention"]


def shown(value: np.ndarray, how: str) -> np.ndarray:
    """Tenths of a percent, as printed."""
    return np.floor(value * 10 + (1e-9 if how == "trunc" else 0.5)).astype(np.int64)


def triples(m: int, mean: float, std: float, ddof: int, how: str) -> list[list[int]]:
    """All k1 <= k2 <= k3 of m whose percentages have this printed mean and standard deviation."""
    spread = 1.5 * (std + 0.1) + 0.2  # no single value of three lies farther from its mean
    low = max(0, math.floor((mean - spread) * m / 100))
    high = min(m, math.ceil((mean + spread) * m / 100))
    k = np.arange(low, high + 1)
    a, b, c = np.meshgrid(k, k, k, indexing="ij")
    ordered = (a <= b) & (b <= c)
    values = 100.0 * np.stack([a[ordered], b[ordered], c[ordered]]) / m
    fits = shown(values.mean(0), how) == round(mean * 10)
    fits &= shown(values.std(0, ddof=ddof), how) == round(std * 10)
    return np.rint(values[:, fits].T * m / 100).astype(int).tolist()


@pytest.mark.parametrize("index", range(len(CASE["inputs"])))
def test_parity_of_the_convention(index: int) -> None:
    given, want = CASE["inputs"][index], CASE["expected"][index]
    assert given["cell"] == want["cell"] and given["m"] == want["m"]
    for convention, number in want["n_solutions"].items():
        ddof, how = convention.removeprefix("ddof").split("/")
        found = triples(given["m"], given["mean"], given["std"], int(ddof), how)
        assert len(found) == number, convention
        assert all(example in found for example in want["example"][convention])


WATERBIRDS = np.repeat(np.arange(4), [3498, 184, 56, 1057])


LRG1 = np.flatnonzero(WATERBIRDS == 2)


def test_appended_poisons_are_a_cell_of_their_own() -> None:
    """DLBD: 47 poisons are added, bases in HRG, so LRG-1 stays 56, LRG-2 184 and HRG 4,555."""
    data = dataset(
        np.concatenate([WATERBIRDS, np.zeros(47, np.int64)]), poison=np.arange(4795, 4842)
    )
    found = np.zeros(4842, np.bool_)
    found[4795:4841] = True  # 46 of 47 poisons
    found[LRG1[:53]] = True
    found[np.flatnonzero(WATERBIRDS == 1)[:68]] = True
    found[:228] = True  # group 0
    rates = tier_rates(found, data)
    assert rates["poisons"] == pytest.approx(100 * 46 / 47)
    assert rates["LRG-1"] == pytest.approx(100 * 53 / 56)
    assert rates["LRG-2"] == pytest.approx(100 * 68 / 184)
    assert rates["HRG"] == pytest.approx(100 * 228 / 4555)
    assert rates["HRG same class"] == 0.0


def test_poisons_that_replace_images_leave_nine_clean_ones() -> None:
    """GM: 47 images of LRG-1 are altered in place."""
    data = dataset(WATERBIRDS, poison=LRG1[:47])
    found = np.zeros(4795, np.bool_)
    found[LRG1[:55]] = True
    rates = tier_rates(found, data)
    assert rates["poisons"] == 100.0
    assert rates["LRG-1"] == pytest.approx(100 * 8 / 9)


def test_georges_hrg_is_reported_over_its_class_and_over_all() -> None:
    """A cluster of 132 waterbirds on water: 12.5 % of 1,057, but 2.9 % of 4,555."""
    data = dataset(WATERBIRDS)
    found = np.zeros(4795, np.bool_)
    found[np.flatnonzero(WATERBIRDS == 3)[:132]] = True
    rates = tier_rates(found, data)
    assert rates["HRG same class"] == pytest.approx(100 * 132 / 1057)
    assert rates["HRG"] == pytest.approx(100 * 132 / 4555)
    assert list(rates) == ["LRG-1", "LRG-2", "HRG", "HRG same class", "poisons"]
    assert rates["poisons"] is None
