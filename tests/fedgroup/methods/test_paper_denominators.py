"""Which counts the paper's cells come from: ground truth for a re-run, by exhaustive search."""

import math

import numpy as np
import pytest

from tests.fedgroup.methods.cases import CASES

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
