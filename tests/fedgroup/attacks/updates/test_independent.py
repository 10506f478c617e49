"""Attacks on their own deltas against the parity cases and their defining equations."""

import numpy as np
import pytest

from fedgroup.attacks.updates.independent import (
    Cancellation,
    Gaussian,
    ModelReplacement,
    SignFlip,
)
from fedgroup.attacks.updates.update_attack import norm
from tests.fedgroup.attacks.updates.deltas import CASE, OWN, forge
from tests.paths import CASES


def test_sign_flip() -> None:
    for scale in (1.0, 3.0):
        for forged, own in zip(forge(SignFlip(scale)), OWN, strict=True):
            np.testing.assert_array_equal(forged, -scale * own)
    assert len(forge(SignFlip(), honest=[])) == 3  # works alone


def test_model_replacement_boosts_by_participants_per_attacker() -> None:
    case = CASE["model_replacement"]
    own = OWN[:1]
    for participants, boost in (
        (case["n"], case["gamma"]),
        (10, case["selected_10_unit_weights_gamma"]),
    ):
        honest = [np.zeros(3, np.float32)] * (participants - 1)
        forged = forge(ModelReplacement(), own, honest)
        np.testing.assert_array_equal(forged[0], boost * own[0])
        mean = np.mean([*forged, *honest], axis=0)
        np.testing.assert_allclose(mean, own[0], rtol=1e-6)  # the mean is the attacker's model
    for forged_of_three, given in zip(forge(ModelReplacement()), OWN, strict=True):
        np.testing.assert_array_equal(forged_of_three, 3 * given)  # 9 participants, 3 attackers
    np.testing.assert_array_equal(forge(ModelReplacement(boost=2.5))[1], 2.5 * OWN[1])


def test_gaussian_moments_and_own_draws() -> None:
    own = [np.full(200_000, v, np.float32) for v in (5, 7)]
    replaced = forge(Gaussian(std=3.0), own, [])
    for u in replaced:
        assert abs(u.mean(dtype=np.float64)) < 5 * 3 / np.sqrt(200_000)
        assert u.std(dtype=np.float64) == pytest.approx(3, rel=0.01)
    assert abs(np.corrcoef(replaced)[0, 1]) < 0.02
    added = forge(Gaussian("add", 3.0), own, [])
    for u, base, noise in zip(added, own, replaced, strict=True):
        np.testing.assert_array_equal(u, base + noise)
    assert not np.array_equal(replaced[0], forge(Gaussian(std=3.0), own, [], seed=1)[0])


def test_gaussian_relative_to_the_median_honest_norm() -> None:
    honest = [np.full(50_000, v, np.float32) for v in (1, 2, 4, 100, 0)]
    forged = forge(Gaussian(std=0.5, relative=True), honest[:1], honest)
    assert norm(forged[0]) == pytest.approx(0.5 * norm(honest[1]), rel=0.02)


def test_cancellation_flips_a_mean_that_subtracts_extremes() -> None:
    """Sum of all less the two largest and two smallest, in float32, as some libraries trim."""
    with np.load(CASES / "federated_cases.npz") as arrays:
        stack, right = arrays["cancel/X"].astype(np.float32), arrays["cancel/trim2"]
    forged = forge(Cancellation(), [stack[1]], list(stack[1:]))[0]
    np.testing.assert_array_equal(forged, stack[0])
    ordered = np.sort(stack, axis=0)
    wrong = stack.sum(0, dtype=np.float32) - ordered[-2:].sum(0) - ordered[:2].sum(0)
    assert wrong @ right / np.linalg.norm(wrong) / np.linalg.norm(right) < -0.9
