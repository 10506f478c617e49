"""Norm clipping by hand."""

import numpy as np

from strategies.rules.norm_clipping import NormClipping
from tests.strategies.rules.vectors import ZERO, step, vectors


def test_norm_clipping_by_hand() -> None:
    clients = vectors([3, 4], [0, 1], [0.6, 0.8])  # norms 5, 1, 1: the median is 1
    assert np.allclose(
        step(NormClipping(), clients)[0], [(0.6 + 0 + 0.6) / 3, (0.8 + 1 + 0.8) / 3], atol=1e-6
    )
    assert np.allclose(step(NormClipping(10.0), clients)[0], [1.2, 5.8 / 3], atol=1e-6)
    shares = NormClipping().influence({}, ZERO, clients, np.ones(3), ZERO)
    assert np.allclose(shares, np.array([0.2, 1, 1]) / 2.2)
