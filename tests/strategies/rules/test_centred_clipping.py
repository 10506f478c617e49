"""Centred clipping by hand and against a plain loop."""

import numpy as np

from strategies.rules.centred_clipping import CentredClipping
from tests.strategies.rules.vectors import step, vectors


def test_centred_clipping_by_hand_and_carried() -> None:
    rule = CentredClipping(tau=1.0)
    clients = vectors([3, 4], [0.5, 0])
    first, state = step(rule, clients)
    assert np.allclose(first, [(0.6 + 0.5) / 2, 0.4], atol=1e-6)
    assert np.allclose(state["centre"], first, atol=1e-6)
    theta = first  # next round: updates are clipped around v, not around 0
    centre = theta + state["centre"]
    moved = [np.array([3, 4]) - centre, np.array([0.5, 0]) - centre]
    expected = centre + sum(d * min(1, 1 / np.linalg.norm(d)) for d in moved) / 2
    assert np.allclose(rule.step(state, theta, clients, np.ones(2))[0], expected, atol=1e-6)


def test_centred_clipping_iterations_match_a_plain_loop() -> None:
    generator = np.random.default_rng(0)
    clients = [generator.normal(0, 3, 64).astype(np.float32) for _ in range(10)]
    v = np.zeros(64)
    for _ in range(3):
        v = v + np.mean([(c - v) * min(1, 4 / np.linalg.norm(c - v)) for c in clients], axis=0)
    found = step(CentredClipping(tau=4.0, iterations=3), clients, np.zeros(64, np.float32))[0]
    assert np.allclose(found, v, atol=1e-5)
