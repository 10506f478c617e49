"""Mimic: the learned direction, the choice of a victim, and its state."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fedgroup.attacks.updates import colluding, mimic
from fedgroup.attacks.updates.mimic import Mimic, top_direction
from fedgroup.errors import FedgroupError
from fedgroup.seeding import rng
from tests.fedgroup.attacks.samples import cases

CASE = cases()["updates"]
HONEST = [np.array(row, np.float32) for row in CASE["honest"]]
OWN = HONEST[:2]
RNG = rng(0)


def spread(count: int, size: int, seed: int) -> list[NDArray[np.float32]]:
    """Clients that differ mostly along the first axis, the last one most of all."""
    generator = np.random.default_rng(seed)
    vectors = generator.standard_normal((count, size))
    vectors[:, 0] += np.arange(count) ** 2
    return list(vectors.astype(np.float32))


def test_the_case() -> None:
    z, eigenvalue = top_direction(np.zeros(3, np.float32), 0.0, HONEST)
    np.testing.assert_allclose(z, CASE["mimic"]["top_direction"], rtol=1e-6)
    exact = np.stack(HONEST).astype(np.float64)
    centred = exact - exact.mean(0)
    assert eigenvalue == pytest.approx(np.linalg.eigvalsh(centred.T @ centred)[-1], rel=1e-9)
    forged, state = Mimic(warmup=1).forge(Mimic().init(3), OWN, HONEST, RNG)
    np.testing.assert_allclose(state["scores"], CASE["mimic"]["projections"], rtol=1e-5)
    assert int(state["chosen"]) == CASE["mimic"]["argmax_abs"]
    assert forged[0] is forged[1]
    np.testing.assert_array_equal(forged[0], HONEST[CASE["mimic"]["argmax_abs"]])


def test_direction_over_several_rounds_is_near_the_exact_one() -> None:
    z, eigenvalue = np.zeros(40, np.float32), 0.0
    matrix = np.zeros((40, 40))
    for seed in range(6):
        honest = spread(8, 40, seed)
        z, eigenvalue = top_direction(z, eigenvalue, honest)
        centred = np.stack(honest) - np.mean(honest, axis=0, dtype=np.float64)
        matrix += centred.T @ centred
    assert np.linalg.norm(z) == pytest.approx(1, abs=1e-6)
    assert abs(z @ np.linalg.eigh(matrix)[1][:, -1]) > 0.9999


def test_sign_never_flips_between_rounds() -> None:
    z, eigenvalue = top_direction(np.zeros(40, np.float32), 0.0, spread(8, 40, 0))
    assert z[np.abs(z).argmax()] > 0
    for start in (z, -z):
        after, _ = top_direction(start, eigenvalue, spread(8, 40, 1))
        assert after @ start > 0.99


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = spread(6, 100, 0)
    whole = top_direction(np.zeros(100, np.float32), 0.0, honest)
    for module in (colluding, mimic):
        monkeypatch.setattr(module, "CHUNK", 9)
    parts = top_direction(np.zeros(100, np.float32), 0.0, honest)
    np.testing.assert_allclose(parts[0], whole[0], atol=1e-6)
    assert parts[1] == pytest.approx(whole[1])


def test_the_victim_is_fixed_after_the_warm_up() -> None:
    attack = Mimic(warmup=2)
    state: Any = attack.init(40)
    for seed in range(2):
        forged, state = attack.forge(state, spread(1, 40, 9), spread(6, 40, seed), RNG)
        np.testing.assert_array_equal(forged[0], spread(6, 40, seed)[5])
    assert int(state["chosen"]) == 5
    later = spread(6, 40, 3)[::-1]  # now position 0 is the extreme one
    forged, after = attack.forge(state, spread(1, 40, 9), later, RNG)
    np.testing.assert_array_equal(forged[0], later[5])
    assert after is state


def test_a_victim_outside_the_cohort_is_replaced_for_the_round() -> None:
    attack = Mimic(warmup=1)
    honest = dict(zip((3, 10, 42, 7), spread(4, 40, 0), strict=True))
    own = spread(1, 40, 9)
    _, state = attack.forge(attack.init(40), own, list(honest.values()), RNG, ids=list(honest))
    assert int(state["chosen"]) == 7
    assert state["ids"].tolist() == [3, 7, 10, 42]
    present = [42, 3, 10]
    forged, after = attack.forge(state, own, [honest[i] for i in present], RNG, ids=present)
    scores = dict(zip(state["ids"].tolist(), np.abs(state["scores"]), strict=True))
    best = max(present, key=lambda client: scores[client])
    np.testing.assert_array_equal(forged[0], honest[best])
    assert int(after["chosen"]) == 7
    present = [7, 10]  # back again, at another position
    forged, _ = attack.forge(after, own, [honest[10], honest[7]], RNG, ids=[10, 7])
    np.testing.assert_array_equal(forged[0], honest[7])


def test_scores_add_up_by_client_under_sampling() -> None:
    attack = Mimic(warmup=3)
    state: Any = attack.init(40)
    honest = spread(6, 40, 0)
    for present in ([0, 1, 5], [2, 5, 3], [4, 0, 1]):
        _, state = attack.forge(state, honest[:1], [honest[i] for i in present], RNG, ids=present)
    assert state["ids"].tolist() == [0, 1, 2, 3, 4, 5]
    assert int(state["chosen"]) == 5
    assert np.abs(state["scores"]).argmax() == 5


def test_a_resume_from_saved_state_goes_on_the_same(tmp_path: Any) -> None:
    attack = Mimic(warmup=3)
    state: Any = attack.init(40)
    states, sent = [], []
    for seed in range(5):
        states.append(state)
        forged, state = attack.forge(state, spread(1, 40, 9), spread(6, 40, seed), RNG)
        sent.append(forged[0])
    for start in range(5):
        np.savez(tmp_path / "state.npz", **states[start])
        with np.load(tmp_path / "state.npz") as saved:
            again: Any = dict(saved)
        for seed in range(start, 5):
            forged, again = attack.forge(again, spread(1, 40, 9), spread(6, 40, seed), RNG)
            np.testing.assert_array_equal(forged[0], sent[seed])


def test_honest_clients_that_do_not_differ() -> None:
    same = [HONEST[0]] * 3
    for honest in (HONEST[:1], same):
        forged, state = Mimic(warmup=1).forge(Mimic().init(3), OWN, honest, RNG)
        np.testing.assert_array_equal(forged[0], HONEST[0])
        assert int(state["chosen"]) == 0
        assert np.isfinite(state["direction"]).all()


def test_bad_input() -> None:
    with pytest.raises(FedgroupError, match="warmup must be at least 1 round, got 0"):
        Mimic(warmup=0)
    for ids in ([1, 2], [1, 1, 2, 3, 4, 5], list(range(7)), [0, 1, 2, 3, 4, 5, 5]):
        with pytest.raises(FedgroupError, match="6 honest deltas need as many different ids"):
            Mimic().forge(Mimic().init(3), OWN, HONEST, RNG, ids=ids)
