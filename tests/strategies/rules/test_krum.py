"""Krum and Multi-Krum against a plain reference."""

from typing import Any

import numpy as np
import pytest

from strategies.rules.krum import Krum, MultiKrum, scores
from tests.strategies.rules.vectors import ZERO, step, vectors


def krum_reference(points: Any, f: int) -> Any:
    """Blanchard et al.: sum of squared distances to the n - f - 2 nearest others, in float64."""
    n = len(points)
    out = []
    for i in range(n):
        others = sorted(float(((points[i] - points[j]) ** 2).sum()) for j in range(n) if j != i)
        out.append(sum(others[: n - f - 2]))
    return np.array(out)


@pytest.mark.parametrize(("n", "f"), [(7, 2), (10, 2), (10, 3), (5, 1), (3, 0)])
def test_krum_scores_and_choice(n: int, f: int) -> None:
    generator = np.random.default_rng(n)
    theta = generator.normal(0, 1, 500).astype(np.float32)
    clients = [(theta + generator.normal(0, 0.01, 500)).astype(np.float32) for _ in range(n)]
    expected = krum_reference(np.stack(clients).astype(np.float64), f)
    assert np.allclose(scores(theta, clients, f), expected, rtol=1e-5)
    assert np.array_equal(step(Krum(f), clients, theta)[0], clients[int(np.argmin(expected))])
    m = n - f
    chosen = np.sort(np.argsort(expected, kind="stable")[:m])
    assert MultiKrum(f).chosen(theta, clients).tolist() == chosen.tolist()
    mean = np.mean([clients[i] for i in chosen], axis=0, dtype=np.float64)
    assert np.allclose(step(MultiKrum(f), clients, theta)[0], mean, atol=1e-6)


def test_krum_on_small_updates_of_large_weights() -> None:
    """Where a Gram matrix of raw weights picks the wrong client, distances on updates do not."""
    generator = np.random.default_rng(0)
    theta = generator.normal(0, 1.0, 20_000).astype(np.float32)
    clients = [(theta + generator.normal(0, 3e-5, 20_000)).astype(np.float32) for _ in range(9)]
    expected = krum_reference(np.stack(clients).astype(np.float64), 2)
    assert int(np.argmin(scores(theta, clients, 2))) == int(np.argmin(expected))


def test_krum_is_not_moved_by_a_far_client() -> None:
    clients = vectors([0, 0], [0.1, 0], [0, 0.1], [0.1, 0.1], [1e6, -1e6])
    assert np.abs(step(Krum(1), clients)[0]).max() <= 0.1
    assert Krum(1).influence({}, ZERO, clients, np.ones(5), ZERO).sum() == 1
