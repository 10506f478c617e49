"""Nearest-neighbour mixing against plain means."""

import numpy as np

from strategies.rules.median import Median
from strategies.rules.nnm import NNM
from tests.strategies.rules.vectors import step, vectors


def test_nnm_is_the_rule_on_means_of_the_nearest() -> None:
    generator = np.random.default_rng(0)
    points = generator.normal(0, 1, (10, 64)).astype(np.float32)
    near = [np.argsort(((points - p) ** 2).sum(1), kind="stable")[:8] for p in points]
    mixed = np.stack([points[np.sort(n)].mean(0) for n in near])
    found = step(NNM(Median(), f=2), list(points), np.zeros(64, np.float32))[0]
    assert np.allclose(found, np.median(mixed, 0), atol=1e-6)


def test_nnm_with_f_0_is_the_mean() -> None:
    clients = vectors([1, 0], [2, 0], [6, 3])
    assert np.allclose(step(NNM(Median(), f=0), clients)[0], [3, 1])
