"""Attacks from the honest deltas against the parity cases and their defining equations."""

from typing import Any

import numpy as np
import pytest

from fedgroup.attacks.updates import colluding
from fedgroup.attacks.updates.colluding import ALIE, IPM, MinMax, alie_z
from fedgroup.errors import FedgroupError
from tests.fedgroup.attacks.updates.deltas import CASE, HONEST, clients, forge


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
