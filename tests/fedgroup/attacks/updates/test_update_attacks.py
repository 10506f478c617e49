"""Update-level attacks against the parity cases and their defining equations."""

import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fedgroup.attacks import BYZANTINE_NAMES
from fedgroup.attacks.updates import colluding, independent
from fedgroup.attacks.updates.colluding import ALIE, IPM, MinMax, alie_z
from fedgroup.attacks.updates.independent import (
    Cancellation,
    Gaussian,
    ModelReplacement,
    SignFlip,
    norm,
)
from fedgroup.attacks.updates.mimic import Mimic
from fedgroup.errors import FedgroupError
from fedgroup.seeding import rng
from fedgroup.spec import resolve
from tests.fedgroup.attacks.samples import cases
from tests.paths import CASES

CASE = cases()["updates"]
HONEST = [np.array(row, np.float32) for row in CASE["honest"]]
OWN = [np.array(row, np.float32) for row in ([1, 1, 1], [0, 2, 0], [-1, 0, 3])]
ALL = [resolve({}, path) for path in BYZANTINE_NAMES.values()]
FROM_HONEST: list[Any] = [ALIE(), IPM(), MinMax(), Mimic(), Gaussian(relative=True)]


def forge(
    attack: Any, own: Any = OWN, honest: Any = HONEST, seed: int = 0
) -> list[NDArray[np.float32]]:
    return attack.forge(attack.init(len(own[0])), own, honest, rng(seed))[0]  # type: ignore[no-any-return]


def clients(count: int, size: int, seed: int = 0) -> list[NDArray[np.float32]]:
    generator = np.random.default_rng(seed)
    common = generator.standard_normal(size)
    return [(common + generator.standard_normal(size)).astype(np.float32) for _ in range(count)]


# --- rules that hold for every attack -----------------------------------------------------------------


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
    "attack",
    [
        ALIE(),
        ALIE(z=1.5),
        IPM(),
        *(MinMax(b, d) for b in ("max", "sum") for d in ("std", "unit", "sign")),
    ],
    ids=str,
)  # type: ignore[arg-type]
def test_chunks_do_not_matter_and_the_vector_is_shared(
    attack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, honest = clients(2, 1000, 1), clients(9, 1000)
    whole = forge(attack, own, honest)
    assert whole[0] is whole[1]
    monkeypatch.setattr(colluding, "CHUNK", 7)
    np.testing.assert_allclose(forge(attack, own, honest)[0], whole[0], rtol=1e-6, atol=1e-6)


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


# --- attacks on their own deltas ----------------------------------------------------------------------


def test_sign_flip() -> None:
    for scale in (1.0, 3.0):
        for forged, own in zip(forge(SignFlip(scale)), OWN, strict=True):
            np.testing.assert_array_equal(forged, -scale * own)
    assert len(forge(SignFlip(), honest=[])) == 3  # works alone


def test_overflow_becomes_inf_without_a_warning() -> None:
    huge = [np.array([3e38, -3e38], np.float32)]
    np.testing.assert_array_equal(forge(SignFlip(10.0), huge, huge)[0], [-np.inf, np.inf])
    for attack in (IPM(epsilon=3.0), ALIE(z=3.0), MinMax()):
        forge(attack, huge, [huge[0], -huge[0], huge[0]])


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


def test_norm_is_exact_across_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(independent, "CHUNK", 4)
    assert norm(np.full(9, 2, np.float32)) == 6.0
    assert norm(np.full(4, 3e38, np.float32)) == pytest.approx(6e38)


def test_cancellation_flips_a_mean_that_subtracts_extremes() -> None:
    """Sum of all less the two largest and two smallest, in float32, as some libraries trim."""
    with np.load(CASES / "federated_cases.npz") as arrays:
        stack, right = arrays["cancel/X"].astype(np.float32), arrays["cancel/trim2"]
    forged = forge(Cancellation(), [stack[1]], list(stack[1:]))[0]
    np.testing.assert_array_equal(forged, stack[0])
    ordered = np.sort(stack, axis=0)
    wrong = stack.sum(0, dtype=np.float32) - ordered[-2:].sum(0) - ordered[:2].sum(0)
    assert wrong @ right / np.linalg.norm(wrong) / np.linalg.norm(right) < -0.9


# --- attacks from the honest deltas -------------------------------------------------------------------


@pytest.mark.parametrize("pair", CASE["alie_z_table"])
def test_alie_z(pair: str) -> None:
    n, f = map(int, pair.split(","))
    assert alie_z(n, f) == pytest.approx(CASE["alie_z_table"][pair]["z"], abs=1e-9)


def test_alie_z_where_it_degenerates() -> None:
    assert alie_z(7, 1) == alie_z(8, 2) == 0.0
    assert alie_z(8, 1) < 0
    for n, f in ((4, 2), (5, 3), (2, 1), (1, 1)):
        with pytest.raises(
            FedgroupError, match=f"this round has {f} of {n}: use fewer attackers, or give z"
        ):
            alie_z(n, f)


def test_alie() -> None:
    forged = forge(ALIE())
    np.testing.assert_allclose(forged[0], CASE["alie_vector_minus"], rtol=1e-6)
    mean, std = np.array(CASE["mean"]), np.array(CASE["std_ddof1"])
    np.testing.assert_allclose(forge(ALIE(z=1.5))[0], mean - 1.5 * std, rtol=1e-6)
    np.testing.assert_allclose(forge(ALIE(z=-1.5))[0], mean + 1.5 * std, rtol=1e-6)
    with pytest.raises(FedgroupError, match="z must be finite, got nan"):
        ALIE(z=float("nan"))
    with pytest.raises(FedgroupError, match="this round has 3 of 6"):
        forge(ALIE(), honest=HONEST[:3])
    np.testing.assert_array_equal(forge(ALIE(z=1.0), honest=HONEST[:1])[0], HONEST[0])  # sigma is 0


def test_ipm() -> None:
    forged = forge(IPM())
    np.testing.assert_allclose(forged[0], CASE["ipm_eps_0.5"], rtol=1e-6)
    mean = np.mean([*HONEST, *forged], axis=0)
    coefficient = CASE["ipm_effect_on_plain_mean"]["coef"]
    np.testing.assert_allclose(mean, coefficient * np.array(CASE["mean"]), atol=1e-7)
    np.testing.assert_allclose(forge(IPM(epsilon=1.0))[0], CASE["signflip_mean"], rtol=1e-6)


@pytest.mark.parametrize(("bound", "key"), [("max", "minmax_gamma"), ("sum", "minsum_gamma")])
@pytest.mark.parametrize(("direction", "short"), [("unit", "uv"), ("std", "std"), ("sign", "sgn")])
def test_min_max_gamma_of_the_cases(bound: Any, key: str, direction: Any, short: str) -> None:
    mean = np.array(CASE["mean"])
    length = np.linalg.norm(mean)
    gamma = MinMax(bound, direction).gamma(HONEST) * (length if direction == "unit" else 1)
    assert gamma == pytest.approx(CASE[key][short], rel=1e-9)
    p = {"unit": -mean / length, "std": -np.array(CASE["std_ddof1"]), "sign": -np.sign(mean)}[
        direction
    ]
    np.testing.assert_allclose(
        forge(MinMax(bound, direction))[0], mean + gamma * p, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("bound", ["max", "sum"])
@pytest.mark.parametrize("direction", ["unit", "std", "sign"])
@pytest.mark.parametrize("seed", range(5))
def test_min_max_is_the_largest_feasible_step(bound: Any, direction: Any, seed: int) -> None:
    honest = clients(7, 200, seed)
    exact = np.stack(honest).astype(np.float64)
    mean = exact.mean(0)
    p = {"unit": -mean, "std": -exact.std(0, ddof=1), "sign": -np.sign(mean)}[direction]

    def feasible(gamma: float) -> bool:
        to_forged = ((mean + gamma * p - exact) ** 2).sum(1)
        between = ((exact[:, None] - exact[None]) ** 2).sum(2)
        if bound == "max":
            return bool(to_forged.max() <= between.max())
        return bool(to_forged.sum() <= between.sum(1).max())

    gamma = MinMax(bound, direction).gamma(honest)
    assert feasible(gamma * (1 - 1e-10))
    assert not feasible(gamma * (1 + 1e-10))


@pytest.mark.parametrize("bound", ["max", "sum"])
@pytest.mark.parametrize("direction", ["unit", "std", "sign"])
def test_min_max_where_there_is_no_room(bound: Any, direction: Any) -> None:
    attack = MinMax(bound, direction)
    for honest in (HONEST[:1], [HONEST[0]] * 3, [np.zeros(3, np.float32)] * 2):
        np.testing.assert_allclose(forge(attack, honest=honest)[0], honest[0], atol=1e-6)
