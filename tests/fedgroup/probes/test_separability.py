"""Separability statistics against brute force over pairs, thresholds and subsets of values."""

import itertools
import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedgroup.errors import FedgroupError
from fedgroup.probes import separability
from fedgroup.probes.separability import compare
from fedgroup.probes.two_samples import auc, threshold_distance, total_variation
from fedgroup.seeding import rng

small = st.lists(st.integers(-3, 3), min_size=1, max_size=12)


@settings(max_examples=80, deadline=None)
@given(small, small)
def test_brute_force(a, b):
    pairs = [(x > y) + 0.5 * (x == y) for x in a for y in b]
    assert auc(a, b) == pytest.approx(sum(pairs) / len(pairs))
    assert auc(a, b) == pytest.approx(1 - auc(b, a))
    values = sorted({*a, *b})

    def gap(chosen):
        return abs(sum(x in chosen for x in a) / len(a) - sum(y in chosen for y in b) / len(b))

    # TV is the largest gap over all subsets of values, the threshold distance over lower sets
    subsets = (set(c) for k in range(len(values) + 1) for c in itertools.combinations(values, k))
    assert total_variation(a, b) == pytest.approx(max(map(gap, subsets)))
    lower = [set(values[:k]) for k in range(len(values) + 1)]
    assert threshold_distance(a, b) == pytest.approx(max(map(gap, lower)))
    assert threshold_distance(a, b) <= total_variation(a, b) + 1e-12
    assert total_variation(a, b, bins=3) <= total_variation(a, b) + 1e-12
    result = compare(a, b, rng(0, "s"), discrete=True, draws=10)
    assert gap({v for v in values if v <= result.threshold}) == pytest.approx(
        threshold_distance(a, b)
    )


def test_bins_have_equal_mass_and_keep_ties_together():
    values = np.arange(100.0)
    result = compare(values[::2], values[1::2], rng(0, "s"), discrete=False, bins=10, draws=20)
    assert result.edges == (*range(0, 100, 10), 99.0)
    assert result.total_variation.value == 0  # five of each in every bin
    assert total_variation(values[::2], values[1::2]) == 1  # distinct values: meaningless
    tied = compare([0, 0, 0, 0, 0, 0, 1], [0, 0, 2], rng(0, "s"), discrete=False, bins=5, draws=20)
    assert tied.edges[0] == 0 and all(
        low < high for low, high in itertools.pairwise(tied.edges[:-1])
    )


def test_normal_shift_is_estimated():
    generator = np.random.default_rng(0)
    a, b = generator.normal(1, 1, 2000), generator.normal(0, 1, 2000)
    result = compare(a, b, rng(0, "s"), discrete=False, bins=20)
    # N(1, 1) and N(0, 1): TV = KS = 2 Phi(1/2) - 1 = 0.3829, AUC = Phi(1 / sqrt 2) = 0.7602
    assert result.auc.value == pytest.approx(0.7602, abs=0.015)
    assert result.threshold_distance.value == pytest.approx(0.3829, abs=0.025)
    assert result.total_variation.value == pytest.approx(0.3829, abs=0.025)
    assert result.threshold == pytest.approx(0.5, abs=0.3)
    assert result.auc.low < 0.7602 < result.auc.high
    # width of the AUC's interval: 2 * 1.96 * standard error, by Hanley and McNeil
    q1, q2 = 0.7602 / (2 - 0.7602), 2 * 0.7602**2 / (1 + 0.7602)
    error = np.sqrt((0.7602 * 0.2398 + 1999 * (q1 - 0.7602**2) + 1999 * (q2 - 0.7602**2)) / 2000**2)
    assert result.auc.high - result.auc.low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_chance_is_the_bias_without_a_difference():
    generator = np.random.default_rng(1)
    a, b = generator.random(50), generator.random(60)
    result = compare(a, b, rng(0, "s"), discrete=False, bins=10)
    shuffled = []
    pooled = np.concatenate([a, b])
    for _ in range(400):
        generator.shuffle(pooled)
        shuffled.append(
            (
                threshold_distance(pooled[:50], pooled[50:]),
                total_variation(pooled[:50], pooled[50:], 10),
            )
        )
    ks, tv = np.mean(shuffled, axis=0)
    assert result.threshold_distance_chance == pytest.approx(ks, abs=0.01)
    assert result.total_variation_chance == pytest.approx(tv, abs=0.01)
    assert result.total_variation_chance > 0.1


def test_bootstrap_equals_resampling_by_hand():
    generator = np.random.default_rng(2)
    a, b = generator.integers(0, 5, 30), generator.integers(1, 7, 40)
    result = compare(a, b, rng(0, "s"), discrete=True, draws=2000)
    drawn = np.array(
        [
            (auc(x, y), threshold_distance(x, y), total_variation(x, y))
            for x, y in ((generator.choice(a, 30), generator.choice(b, 40)) for _ in range(1000))
        ]
    )
    for mine, column in zip(
        (result.auc, result.threshold_distance, result.total_variation), drawn.T, strict=True
    ):
        assert [mine.low, mine.high] == pytest.approx(np.quantile(column, [0.025, 0.975]), abs=0.03)
        assert mine.low <= mine.value <= mine.high


def test_equal_seeds_give_equal_results_and_plain_values(monkeypatch):
    a, b = np.arange(20.0), np.arange(10.0, 40.0)
    first, second = (compare(a, b, rng(4, "s"), discrete=False, draws=100) for _ in range(2))
    assert first == second != compare(a, b, rng(5, "s"), discrete=False, draws=100)
    assert json.loads(json.dumps(asdict(first)))["count_b"] == 30
    monkeypatch.setattr(separability, "RANKS_AT_ONCE", 1)  # draw by draw
    alone = compare(a, b, rng(4, "s"), discrete=False, draws=500)
    assert alone.auc.low == pytest.approx(first.auc.low, abs=0.06)


def test_perfect_separation():
    result = compare([0.1, 0.2], [0.5, 0.7, 0.9], rng(0, "s"), discrete=False, bins=2, draws=50)
    assert (
        result.auc.value == 0 and result.threshold_distance.value == 1 and result.threshold == 0.2
    )
    one = compare([1.0], [1.0], rng(0, "s"), discrete=True, draws=5)
    assert one.auc.value == 0.5 and one.total_variation.value == 0


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"a": []}, "sample a"),
        ({"b": [1.0, float("nan")]}, "sample b .* position 1"),
        ({"a": [float("inf")]}, "not finite"),
        ({"a": [[1.0]]}, "shape"),
        ({"bins": 1}, "2 bins"),
        ({"draws": 0}, "draws"),
        ({"level": 1.0}, "level"),
    ],
)
def test_bad_input_is_refused(change, word):
    values = {"a": [1.0, 2.0], "b": [1.0], "discrete": False, **change}
    with pytest.raises(FedgroupError, match=word):
        compare(values.pop("a"), values.pop("b"), rng(0, "s"), **values)
