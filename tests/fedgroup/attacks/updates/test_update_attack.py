"""Rules that hold for every attack on updates."""

import re
from typing import Any

import numpy as np
import pytest

from fedgroup.attacks import BYZANTINE_NAMES
from fedgroup.attacks.updates import update_attack
from fedgroup.attacks.updates.colluding import ALIE, IPM, MinMax
from fedgroup.attacks.updates.independent import (
    Cancellation,
    Gaussian,
    ModelReplacement,
    SignFlip,
)
from fedgroup.attacks.updates.mimic import Mimic
from fedgroup.attacks.updates.update_attack import norm
from fedgroup.errors import FedgroupError
from fedgroup.seeding import rng
from fedgroup.spec import resolve
from tests.fedgroup.attacks.updates.deltas import HONEST, OWN, clients, forge

ALL = [resolve({}, path) for path in BYZANTINE_NAMES.values()]
FROM_HONEST: list[Any] = [ALIE(), IPM(), MinMax(), Mimic(), Gaussian(relative=True)]


@pytest.mark.parametrize("attack", [cls() for cls in ALL], ids=str)
def test_one_finite_float32_delta_per_attacker_and_inputs_untouched(attack: Any) -> None:
    own, honest = clients(2, 500, 1), clients(8, 500)
    before = [u.copy() for u in own + honest]
    state = attack.init(500)
    forged, after = attack.forge(state, own, honest, rng(0))
    assert len(forged) == 2
    for u in forged:
        assert u.dtype == np.float32
        assert u.shape == (500,)
        assert np.isfinite(u).all()
        assert not any(np.shares_memory(u, given) for given in own + honest)
    for old, new in zip(before, own + honest, strict=True):
        np.testing.assert_array_equal(old, new)
    for name, value in attack.init(500).items():
        np.testing.assert_array_equal(state[name], value)  # the state passed in is left as it was
    assert set(after) == set(state)
    again, _ = attack.forge(state, own, honest, rng(0))
    np.testing.assert_array_equal(again, forged)


@pytest.mark.parametrize("attack", [cls() for cls in ALL], ids=str)
def test_without_attackers_nothing_happens(attack: Any) -> None:
    state = attack.init(3)
    forged, after = attack.forge(state, [], HONEST, rng(0))
    assert forged == []
    assert after is state


@pytest.mark.parametrize("attack", [cls() for cls in ALL], ids=str)
def test_deltas_of_another_shape_or_dtype_are_refused(attack: Any) -> None:
    with pytest.raises(
        FedgroupError, match=r"honest delta 6 is float32 \(4,\), expected float32 \(3,\)"
    ):
        forge(attack, honest=[*HONEST, np.zeros(4, np.float32)])
    with pytest.raises(FedgroupError, match=r"own delta 1 is float64 \(3,\), expected float32"):
        forge(attack, own=[OWN[0], np.zeros(3)])


@pytest.mark.parametrize("attack", FROM_HONEST, ids=str)
def test_attacks_from_honest_deltas_need_finite_ones(attack: Any) -> None:
    with pytest.raises(
        FedgroupError, match=r"forges from honest deltas, but all 3 participants.*are attackers"
    ):
        forge(attack, honest=[])
    for bad in (np.nan, np.inf, -np.inf):
        odd = np.array([0, bad, 0], np.float32)
        with pytest.raises(FedgroupError, match="honest delta 6 has values that are not finite"):
            forge(attack, honest=[*HONEST, odd])


@pytest.mark.parametrize(
    ("cls", "setting"),
    [
        (SignFlip, "scale"),
        (Gaussian, "std"),
        (IPM, "epsilon"),
        (ModelReplacement, "boost"),
        (Cancellation, "magnitude"),
    ],
)
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), 1e39])
def test_factors_are_positive_float32_numbers(cls: Any, setting: str, value: float) -> None:
    with pytest.raises(
        FedgroupError,
        match=f"{setting} must be positive and finite in float32, got {re.escape(str(value))}",
    ):
        cls(**{setting: value})


def test_overflow_becomes_inf_without_a_warning() -> None:
    huge = [np.array([3e38, -3e38], np.float32)]
    np.testing.assert_array_equal(forge(SignFlip(10.0), huge, huge)[0], [-np.inf, np.inf])
    for attack in (IPM(epsilon=3.0), ALIE(z=3.0), MinMax()):
        forge(attack, huge, [huge[0], -huge[0], huge[0]])


def test_norm_is_exact_across_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(update_attack, "CHUNK", 4)
    assert norm(np.full(9, 2, np.float32)) == 6.0
    assert norm(np.full(4, 3e38, np.float32)) == pytest.approx(6e38)
