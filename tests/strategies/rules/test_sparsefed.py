"""SparseFed: parity cases by hand and seeded, laws, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedgroup.errors import FedgroupError
from strategies.aggregator import copy_state
from strategies.rules.fedavg import FedAvg
from strategies.rules.sparsefed import SparseFed
from tests.strategies.cases import array, cases

SEEDED = [name for name, case in cases().items() if case.get("kind") == "sparsefed"]
TINY = [name for name in cases() if name.startswith("sparsefed_tiny")]
OFFICIAL = {(True, True): "official", (True, False): "no_mask", (False, True): "no_feedback"}


def lone(deltas: np.ndarray, theta: np.ndarray) -> list[np.ndarray]:
    return [(theta - delta).astype(np.float32) for delta in deltas]


@pytest.mark.parametrize("name", TINY)
def test_tiny_cases_by_hand(name: str) -> None:
    case = cases()[name]
    rule = SparseFed(k=case["k"], rho=case["rho"])
    theta = np.array(case["w0"], np.float32)
    state = rule.init(theta)
    for expected in case["rounds"]:
        clients = lone(np.array([expected["g"]], np.float32), theta)
        new, state = rule.step(state, theta, clients, np.ones(1))
        np.testing.assert_allclose(new, expected["w"], rtol=1e-6)
        np.testing.assert_allclose(theta - new, expected["update"], rtol=1e-6)
        np.testing.assert_allclose(state["momentum"], expected["momentum_after"], rtol=1e-6)
        np.testing.assert_allclose(state["error"], expected["error_after"], rtol=1e-6)
        np.testing.assert_array_equal(np.flatnonzero(theta != new), expected["selected"])
        theta = new


def rules_of(case: dict) -> list[SparseFed]:
    """The same combination by overrides and, where there is one, by preset."""
    shared = {
        "k": case["k"],
        "rho": case["rho"],
        "clip": case["clip_l2"],
        "server_lr": case["server_lr"],
    }
    modes = (case["error_feedback"], case["momentum_masking"])
    rules = [SparseFed(**shared, error_feedback=modes[0], momentum_masking=modes[1])]
    if modes in OFFICIAL:
        rules.append(SparseFed(**shared, preset=OFFICIAL[modes]))
    elif case["rho"] == 0:
        rules.append(SparseFed(**shared, preset="memoryless"))
    return rules


@pytest.mark.parametrize("name", SEEDED)
def test_seeded_cases(name: str) -> None:
    case = cases()[name]
    for rule in rules_of(case):
        theta, deltas = array("sparsefed_seeded", "w0"), array("sparsefed_seeded", "deltas")
        state = rule.init(theta)
        for t in range(case["rounds"]):
            new, state = rule.step(state, theta, lone(deltas[t], theta), np.ones(case["n"]))
            np.testing.assert_array_equal(np.flatnonzero(new != theta), array(name, "idx")[t])
            np.testing.assert_allclose(new, array(name, "w")[t], rtol=1e-5, atol=1e-8)
            np.testing.assert_allclose(
                state["momentum"], array(name, "momentum")[t], rtol=1e-5, atol=1e-8
            )
            np.testing.assert_allclose(
                state["error"], array(name, "error")[t], rtol=1e-5, atol=1e-8
            )
            theta = new


# --- by hand ---------------------------------------------------------------------------------------


def once(rule: SparseFed, *deltas: list[float]) -> tuple[np.ndarray, dict]:
    stack = np.array(deltas, np.float32)
    theta = np.zeros(stack.shape[1], np.float32)
    return rule.step(rule.init(theta), theta, lone(stack, theta), np.ones(len(stack)))


def test_ties_go_to_the_lowest_index() -> None:
    new, state = once(SparseFed(k=2), [1, -1, 1, 1])
    np.testing.assert_array_equal(new, [-1, 1, 0, 0])
    np.testing.assert_array_equal(state["error"], [0, 0, 1, 1])


def test_magnitudes_whose_square_would_vanish_are_still_ranked() -> None:
    new, _ = once(SparseFed(k=1), [1e-30, 3e-30, 2e-30])
    np.testing.assert_array_equal(np.flatnonzero(new), [1])


def test_a_selected_zero_is_not_masked() -> None:
    rule = SparseFed(k=2, rho=0.5, preset="official")
    theta = np.zeros(2, np.float32)
    state = {"momentum": np.array([0, 2], np.float32), "error": np.array([3, -1], np.float32)}
    # g = 0, u = (0, 1), v = (3, 0): both selected, but index 1 sends exactly 0 and keeps its momentum
    new, after = rule.step(state, theta, [theta], np.ones(1))
    np.testing.assert_array_equal(new, [-3, 0])
    np.testing.assert_array_equal(after["momentum"], [0, 1])


def test_clip_bounds_each_client() -> None:
    new, _ = once(SparseFed(k=1.0, clip=1.0), [3, 4], [0.3, 0.4])  # norms 5 and 0.5
    np.testing.assert_allclose(new, [-(0.6 + 0.3) / 2, -(0.8 + 0.4) / 2], rtol=1e-6)


def test_server_lr_scales_what_is_applied_not_what_is_cleared() -> None:
    new, state = once(SparseFed(k=1, server_lr=0.5), [4, 1])
    np.testing.assert_array_equal(new, [-2, 0])
    np.testing.assert_array_equal(state["error"], [0, 1])


def test_fraction_counts_down_and_keeps_one() -> None:
    assert SparseFed(k=0.0358).count(11_177_538) == 400_155
    assert SparseFed(k=1.0).count(7) == 7
    assert SparseFed(k=0.001).count(10) == 1
    assert SparseFed(k=7).count(7) == 7


def test_count_above_the_model_is_refused() -> None:
    for attempt in (
        lambda: SparseFed().init(np.zeros(10, np.float32)),
        lambda: once(SparseFed(k=3), [1, 2]),
    ):
        with pytest.raises(FedgroupError, match=r"D = (10|2) .*fraction"):
            attempt()


@pytest.mark.parametrize(
    "settings",
    [
        {"k": 0},
        {"k": 0.0},
        {"k": 1.5},
        {"k": True},
        {"rho": 1.0},
        {"rho": float("nan")},
        {"preset": "oficial"},
        {"preset": "memoryless", "rho": 0.9},
        {"clip": 0.0},
        {"server_lr": float("inf")},
    ],
)
def test_settings_are_checked(settings: dict) -> None:
    with pytest.raises(FedgroupError):
        SparseFed(**settings)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_divergence_is_an_error(bad: float) -> None:
    with pytest.raises(FedgroupError, match="diverged"):
        once(SparseFed(k=1), [1, bad])
    with pytest.raises(FedgroupError, match="diverged"):
        once(SparseFed(k=1, clip=1.0), [1, bad])
    with pytest.raises(FedgroupError, match="diverged"):
        once(SparseFed(k=1, server_lr=1e30), [1, 3e38])


# --- laws --------------------------------------------------------------------------------------------

rounds = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 5), st.just(23)),
    elements=st.floats(-8, 8, width=32),
)


@given(rounds)
def test_everything_kept_equals_fedavg(deltas: np.ndarray) -> None:
    theta = np.linspace(-1, 1, 23, dtype=np.float32)
    clients = lone(deltas[0], theta)
    weights = np.ones(len(clients))
    rule = SparseFed(k=23)
    new = rule.step(rule.init(theta), theta, clients, weights)[0]
    np.testing.assert_allclose(new, FedAvg().step({}, theta, clients, weights)[0], atol=1e-5)


@given(rounds, st.integers(1, 23))
def test_error_feedback_loses_nothing(deltas: np.ndarray, k: int) -> None:
    """sum of g = sum of updates + error, and no update has more than k coordinates."""
    rule = SparseFed(k=k)
    theta = np.zeros(23, np.float32)
    state = rule.init(theta)
    wanted, sent = np.zeros(23), np.zeros(23)
    for stack in deltas:
        clients = lone(stack, theta)
        wanted += np.mean([theta.astype(np.float64) - client for client in clients], axis=0)
        new, state = rule.step(state, theta, clients, np.ones(len(clients)))
        assert np.count_nonzero(theta != new) <= k
        sent += theta.astype(np.float64) - new
        theta = new
    np.testing.assert_allclose(wanted, sent + state["error"], atol=2e-4)


@given(rounds, st.sampled_from(["official", "no_mask", "no_feedback"]))
def test_resume_from_a_copied_state_is_bitwise(deltas: np.ndarray, preset: str) -> None:
    rule = SparseFed(k=5, rho=0.9, preset=preset)
    theta = np.zeros(23, np.float32)
    state = rule.init(theta)
    saved = (theta, copy_state(state))
    for stack in deltas:
        theta, state = rule.step(state, theta, lone(stack, theta), np.ones(len(stack)))
    again, resumed = saved
    for stack in deltas:
        again, resumed = rule.step(
            copy_state(resumed), again.copy(), lone(stack, again), np.ones(len(stack))
        )
    np.testing.assert_array_equal(theta, again)
    np.testing.assert_array_equal(state["momentum"], resumed["momentum"])
    np.testing.assert_array_equal(state["error"], resumed["error"])


def test_inputs_are_not_written_to() -> None:
    rng = np.random.default_rng(3)
    theta = rng.standard_normal(50).astype(np.float32)
    clients = [rng.standard_normal(50).astype(np.float32) for _ in range(3)]
    rule = SparseFed(k=5, rho=0.9)
    state = rule.init(theta)
    for array_ in [theta, *clients, *state.values()]:
        array_.setflags(write=False)
    rule.step(state, theta, clients, np.ones(3))
