"""Norms, distances and combinations of updates."""

import numpy as np

from strategies.kernels import geometry


def test_distances_on_updates_are_right_where_raw_weights_cancel() -> None:
    """Weights of scale 0.02, updates of 1e-4: Flower's raw-weight Gram is wrong by up to 23%."""
    rng = np.random.default_rng(1)
    theta = (0.02 * rng.standard_normal(200_000)).astype(np.float32)
    clients = [
        theta + (1e-4 * rng.standard_normal(len(theta))).astype(np.float32) for _ in range(6)
    ]
    exact = np.array([[np.sum((a.astype(np.float64) - b) ** 2) for b in clients] for a in clients])
    ours = geometry.squared_distances(geometry.gram(clients, theta))
    np.testing.assert_allclose(ours, exact, rtol=1e-6)
    assert (np.diagonal(ours) == 0).all()


def test_norms_and_combination_by_hand() -> None:
    theta = np.array([1, 1], np.float32)
    clients = [np.array([4, 5], np.float32), np.array([1, 0], np.float32)]
    np.testing.assert_allclose(geometry.norms(clients, theta), [5, 1])
    np.testing.assert_allclose(geometry.gram(clients, theta), [[25, -4], [-4, 1]])
    np.testing.assert_array_equal(
        geometry.combine(theta, clients, np.array([0.5, 2.0])), [2.5, 1.0]
    )


def test_a_client_with_coefficient_zero_cannot_leak() -> None:
    theta = np.zeros(3, np.float32)
    clients = [np.ones(3, np.float32), np.full(3, np.nan, np.float32)]
    np.testing.assert_array_equal(
        geometry.combine(theta, clients, np.array([1.0, 0.0])), np.ones(3)
    )
