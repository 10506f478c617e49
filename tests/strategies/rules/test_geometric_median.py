"""The geometric median: by hand, and not moved by far clients."""

from typing import Any

import numpy as np
import pytest

from strategies.rules.geometric_median import GeometricMedian
from tests.strategies.rules.vectors import step, vectors


def test_geometric_median_of_a_triangle() -> None:
    """The Fermat point of an equilateral triangle is its centre."""
    corners = vectors([1, 0], [-0.5, np.sqrt(3) / 2], [-0.5, -np.sqrt(3) / 2])
    assert np.allclose(step(GeometricMedian(), corners)[0], [0, 0], atol=1e-6)


def test_geometric_median_on_a_line_is_the_median() -> None:
    clients = vectors([0, 0], [1, 0], [10, 0])
    assert np.allclose(step(GeometricMedian(), clients)[0], [1, 0], atol=1e-3)


def test_geometric_median_minimises_the_sum_of_distances() -> None:
    generator = np.random.default_rng(1)
    clients = [generator.normal(0, 1, 40).astype(np.float32) for _ in range(8)]
    found = step(GeometricMedian(), clients, np.zeros(40, np.float32))[0].astype(np.float64)

    def cost(z: Any) -> float:
        return float(sum(np.linalg.norm(c - z) for c in clients))

    for _ in range(50):
        assert cost(found) <= cost(found + generator.normal(0, 1e-3, 40)) + 1e-9


@pytest.mark.parametrize("size", [1e6, 1e15, 1e30, 1e38])
def test_geometric_median_is_not_moved_by_the_size_of_far_clients(size: float) -> None:
    """Stopping on coefficients alone left z far away: 1e-10 of a vector of length 1e30 is not nothing."""
    generator = np.random.default_rng(0)
    honest = [generator.normal(0, 1e-3, 500).astype(np.float32) for _ in range(7)]
    far = [np.full(500, size, np.float32)] * 3
    near = [np.full(500, 1e3, np.float32)] * 3
    theta = np.zeros(500, np.float32)
    found = step(GeometricMedian(), honest + far, theta)[0]
    assert np.allclose(found, step(GeometricMedian(), honest + near, theta)[0], atol=1e-6)
