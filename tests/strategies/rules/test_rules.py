"""The second family of rules against plain references and hand-made cases."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import strategies
from fedgroup.errors import FedgroupError
from fedgroup.spec import build, resolve
from strategies.checks import CHECKS, check_aggregator, cohort
from strategies.rules.bucketing import Bucketing
from strategies.rules.centred_clipping import CentredClipping
from strategies.rules.fedavg import FedAvg
from strategies.rules.fltrust import FLTrust
from strategies.rules.geometric_median import GeometricMedian
from strategies.rules.krum import Krum, MultiKrum, scores
from strategies.rules.median import Median
from strategies.rules.nnm import NNM
from strategies.rules.norm_clipping import NormClipping
from strategies.rules.server_optimisers import FedAdam, FedAvgM
from strategies.rules.sparsefed import SparseFed
from strategies.rules.trimmed_mean import TrimmedMean

ZERO = np.zeros(2, np.float32)


def vectors(*rows: Any) -> list[Any]:
    return [np.array(row, np.float32) for row in rows]


def step(rule: Any, clients: list[Any], theta: Any = ZERO, state: Any = None) -> Any:
    return rule.step(
        rule.init(theta) if state is None else state, theta, clients, np.ones(len(clients))
    )


def everyone() -> list[Any]:
    options = {"sparsefed": {"k": 0.05, "rho": 0.9}, "bucketing": {"rule": "trimmed_mean"}}
    return [
        build(resolve(strategies.NAMES, name), options.get(name, {}), name)
        for name in strategies.NAMES
        if name not in ("byzfl",)
    ]


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("rule", everyone(), ids=lambda r: type(r).__name__)
def test_contract(rule: Any, check: Any) -> None:
    check(rule)


class Careless:
    """Everything a rule should not be."""

    coordinatewise = True
    total: Any = None

    def min_clients(self) -> int:
        return 3

    def init(self, theta: Any) -> dict[str, Any]:
        return {}

    def step(self, state: Any, theta: Any, clients: Any, weights: Any) -> Any:
        clients[0] += 1  # writes to its input
        Careless.total = (
            clients[0] if Careless.total is None else Careless.total + clients[0]
        )  # hidden state
        return np.asarray(Careless.total, np.float64), state


def test_the_contract_catches_a_careless_rule() -> None:
    seen = {name: fault for name, _, fault in check_aggregator(Careless())}
    for name in (
        "frozen_settings",
        "shape_and_dtype",
        "inputs_untouched",
        "deterministic",
        "explicit_state",
    ):
        assert seen[name] is not None, name
    assert seen["too_few_refused"] is not None


# --- Krum ------------------------------------------------------------------------------------------


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
    """Where a Gram matrix of raw weights picks the wrong client, distances on updates do not (spec 2.2)."""
    generator = np.random.default_rng(0)
    theta = generator.normal(0, 1.0, 20_000).astype(np.float32)
    clients = [(theta + generator.normal(0, 3e-5, 20_000)).astype(np.float32) for _ in range(9)]
    expected = krum_reference(np.stack(clients).astype(np.float64), 2)
    assert int(np.argmin(scores(theta, clients, 2))) == int(np.argmin(expected))


def test_krum_is_not_moved_by_a_far_client() -> None:
    clients = vectors([0, 0], [0.1, 0], [0, 0.1], [0.1, 0.1], [1e6, -1e6])
    assert np.abs(step(Krum(1), clients)[0]).max() <= 0.1
    assert Krum(1).influence({}, ZERO, clients, np.ones(5), ZERO).sum() == 1


# --- geometric median ------------------------------------------------------------------------------


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


# --- clipping --------------------------------------------------------------------------------------


def test_norm_clipping_by_hand() -> None:
    clients = vectors([3, 4], [0, 1], [0.6, 0.8])  # norms 5, 1, 1: the median is 1
    assert np.allclose(
        step(NormClipping(), clients)[0], [(0.6 + 0 + 0.6) / 3, (0.8 + 1 + 0.8) / 3], atol=1e-6
    )
    assert np.allclose(step(NormClipping(10.0), clients)[0], [1.2, 5.8 / 3], atol=1e-6)
    shares = NormClipping().influence({}, ZERO, clients, np.ones(3), ZERO)
    assert np.allclose(shares, np.array([0.2, 1, 1]) / 2.2)


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


# --- pre-aggregators -------------------------------------------------------------------------------


def test_nnm_is_the_rule_on_means_of_the_nearest() -> None:
    generator = np.random.default_rng(0)
    points = generator.normal(0, 1, (10, 64)).astype(np.float32)
    near = [np.argsort(((points - p) ** 2).sum(1), kind="stable")[:8] for p in points]
    mixed = np.stack([points[np.sort(n)].mean(0) for n in near])
    found = step(NNM(Median(), f=2), list(points), np.zeros(64, np.float32))[0]
    assert np.allclose(found, np.median(mixed, 0), atol=1e-6)


def test_nnm_with_f_0_is_the_mean() -> None:
    clients = vectors([1, 0], [2, 0], [6, 3])
    assert np.allclose(step(NNM(Median(), f=0), clients)[0], [3, 1])


def test_bucketing_means_and_rounds() -> None:
    rule = Bucketing(Median(), s=2, seed=3)
    clients = [np.full(2, float(i), np.float32) for i in range(10)]
    state = rule.init(ZERO)
    buckets = rule.buckets(state, 10)
    assert sorted(itertools.chain(*(b.tolist() for b in buckets))) == list(range(10))
    new, after = rule.step(state, ZERO, clients, np.ones(10))
    assert new[0] == np.median([np.mean(b) for b in buckets])
    assert int(after["round"]) == 1
    assert [b.tolist() for b in rule.buckets(after, 10)] != [b.tolist() for b in buckets]


def test_bucketing_needs_enough_buckets_for_its_rule() -> None:
    rule = Bucketing(TrimmedMean(2), s=2)
    assert rule.min_clients() == 9  # five buckets
    with pytest.raises(FedgroupError, match="needs at least 9"):
        step(rule, [ZERO] * 8)
    assert Bucketing(FedAvg(), s=3).min_clients() == 1


def test_bucketing_carries_the_state_of_its_rule() -> None:
    rule = Bucketing(SparseFed(k=1, rho=0.9), s=2)
    state = rule.init(ZERO)
    assert set(state) == {"round", "rule.momentum", "rule.error"}
    _, after = rule.step(state, ZERO, vectors([1, 0], [1, 0.5], [1, 0.5]), np.ones(3))
    assert np.abs(after["rule.error"]).sum() > 0


# --- FLTrust, server optimisers --------------------------------------------------------------------


def test_fltrust_by_hand() -> None:
    """Root (2, 0). Trust: 1 for (1, 0), cos 45 for (1, 1), 0 for the opposite; all scaled to length 2."""
    state = {"root": np.array([2, 0], np.float32)}
    clients = vectors([1, 0], [1, 1], [-1, 0])
    half = np.sqrt(0.5)
    expected = (np.array([2, 0]) + half * 2 * half * np.array([1, 1])) / (1 + half)
    rule = FLTrust()
    assert np.allclose(rule.step(state, ZERO, clients, np.ones(3))[0], expected, atol=1e-6)
    shares = rule.influence(state, ZERO, clients, np.ones(3), ZERO)
    assert np.allclose(shares, np.array([1, half, 0]) / (1 + half))
    nobody = rule.step(state, ZERO, vectors([-1, 0]), np.ones(1))[0]
    assert nobody.tolist() == [0, 0]


def test_server_momentum_and_adam_by_hand() -> None:
    rule = FedAvgM(beta=0.5, lr=2.0)
    theta, state = step(rule, vectors([1, 0], [3, 0]))
    assert theta.tolist() == [4, 0]  # mean update (2, 0), lr 2
    theta, state = rule.step(state, theta, [theta + np.float32(1)], np.ones(1))
    assert theta.tolist() == [4 + 2 * (0.5 * 2 + 1), 2]
    adam = FedAdam(lr=0.1, beta1=0.5, beta2=0.5, tau=1.0)
    theta, _ = step(adam, vectors([2, 0]))
    assert theta[0] == pytest.approx(0.1 * 1.0 / (np.sqrt(2.0) + 1.0), rel=1e-6)


# --- influence -------------------------------------------------------------------------------------


def test_influence_of_median_and_trimmed_mean_by_hand() -> None:
    clients = vectors([1, 9], [2, 2], [3, 3], [4, 4], [5, 1])
    # medians: 3 of client 2 on both coordinates
    assert Median().influence({}, ZERO, clients, np.ones(5), ZERO).tolist() == [0, 0, 1, 0, 0]
    # trim 1 keeps 2, 3, 4 on both coordinates
    shares = TrimmedMean(1).influence({}, ZERO, clients, np.ones(5), ZERO)
    assert np.allclose(shares, [0, 1 / 3, 1 / 3, 1 / 3, 0])


def test_a_lonely_direction_has_no_influence_under_the_median() -> None:
    """The paper's claim on one line: who alone moves a coordinate is cut there."""
    theta, clients, weights = cohort(Median())
    clients[3] = clients[3] + np.float32(1)  # one client pulls everywhere
    assert Median().influence({}, theta, clients, weights, theta)[3] == 0
    assert TrimmedMean(2).influence({}, theta, clients, weights, theta)[3] == 0
    assert FedAvg().influence({}, theta, clients, weights, theta)[3] == pytest.approx(0.1)


def test_sparsefed_influence_counts_clipped_updates() -> None:
    """Norms 5 and 1, clip 1: both send the same, so both decide half."""
    rule = SparseFed(k=1.0, clip=1.0)
    clients = vectors([3, 4], [0.6, 0.8])
    new = step(rule, clients)[0]
    assert np.allclose(rule.influence(rule.init(ZERO), ZERO, clients, np.ones(2), new), [0.5, 0.5])


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 30), seed=st.integers(0, 3), ties=st.booleans())
def test_survival_equals_plain_counting(n: int, seed: int, ties: bool) -> None:
    from strategies.kernels.coordinatewise import survival

    generator = np.random.default_rng(seed)
    values = generator.normal(0, 1, (n, 300)).astype(np.float32)
    if ties:
        values = np.round(values * 2) / np.float32(2)
    low, high = (n - 1) // 2, n // 2
    ranked = np.sort(values, 0)
    inside = (values >= ranked[low]) & (values <= ranked[high])
    assert np.allclose(survival(list(values), low, high, chunk=64), inside.sum(1) / inside.sum())


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Krum(-1), "f must be at least 0"),
        (lambda: MultiKrum(m=0), "m at least 1"),
        (lambda: NormClipping(0.0), "bound must be positive"),
        (lambda: CentredClipping(tau=-1.0), "must be positive"),
        (lambda: GeometricMedian(iterations=0), "must be positive"),
        (lambda: Bucketing(s=0), "s must be at least 1"),
        (lambda: NNM(f=-1), "f must be at least 0"),
        (lambda: FLTrust(root_size=0), "root_size must be at least 1"),
        (lambda: FedAvgM(beta=1.0), "beta must lie in"),
        (lambda: FedAdam(lr=0.0), "lr must be positive"),
        (lambda: step(Krum(2), [ZERO] * 6), "Krum needs at least 7 clients, this round has 6"),
    ],
)
def test_refusals(make: Any, words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        make()
