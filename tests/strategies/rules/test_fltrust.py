"""FLTrust by hand."""

import numpy as np

from strategies.rules.fltrust import FLTrust
from tests.strategies.rules.vectors import ZERO, vectors


def test_fltrust_by_hand() -> None:
    """Root (2, 0). Trust: 1 for (1, 0), cos 45 for (1, 1), 0 for the opposite; all scaled to length 2."""
    state = {"root": np.array([2, 0], np.float32)}
    clients = vectors([1, 0], [1, 1], [-1, 0])
    half = np.sqrt(0.5)
    expected = (np.array([2, 0]) + half * 2 * half * np.array([1, 1])) / (1 + half)
    rule = FLTrust()
    assert np.allclose(rule.step(state, ZERO, clients, np.ones(3))[0], expected, atol=1e-6)
    shares = rule.influence(state, ZERO, clients, np.ones(3), ZERO)
    assert np.allclose(shares, np.array([1, half, 0]) / (1 + half))
    nobody = rule.step(state, ZERO, vectors([-1, 0]), np.ones(1))[0]
    assert nobody.tolist() == [0, 0]
