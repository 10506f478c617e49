"""Budgets per class and one selection over all classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedgroup.errors import FedgroupError
from fedgroup.methods.medoids.class_clusters import class_budgets, cluster_sizes
from fedgroup.seeding import rng
from tests.fedgroup.methods.medoids.naive import exact_line, greedy, pairs


def test_waterbirds_budgets():
    # floor(0.1 * 4795) = 479; ceil(479 * 3682 / 4795) = 368, ceil(479 * 1113 / 4795) = 112: one too many
    seen = {
        tuple(class_budgets([3682, 1113], 479, rng(seed, "surplus")).tolist()) for seed in range(20)
    }
    assert seen == {(367, 112), (368, 111)}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(1, 400), st.integers(0, 9))
def test_budgets_add_up(counts, budget, seed):
    classes = sum(c > 0 for c in counts)
    if not max(classes, 1) <= budget <= sum(counts):
        with pytest.raises(FedgroupError, match="medoids cannot serve"):
            class_budgets(counts, budget, rng(seed, "s"))
        return
    found = class_budgets(counts, budget, rng(seed, "s"))
    assert found.sum() == budget
    for size, share in zip(counts, found, strict=True):
        assert (share == 0) == (size == 0) and share <= size
        assert share <= np.ceil(budget * size / sum(counts))
    assert (found == class_budgets(counts, budget, rng(seed, "s"))).all()


def test_selection_is_made_class_by_class():
    generator = np.random.default_rng(0)
    q = (generator.integers(0, 2**20, 40) / 2**20).astype(np.float32)
    y = np.arange(40) % 2  # equal classes: 5 medoids each, no surplus
    mask = cluster_sizes(pairs(q), y, 0.25, rng(0, "surplus")) > 1
    for label in (0, 1):
        members = np.flatnonzero(y == label)
        _, cluster = greedy(exact_line(q[members]), 5)
        alone = np.bincount(cluster)[cluster] == 1
        assert mask[members].tolist() == (~alone).tolist()


def test_isolated_samples_go_and_the_crowd_stays():
    generator = np.random.default_rng(0)
    crowd = generator.uniform(0.0, 0.05, 95)
    q = np.concatenate([crowd, [0.5, 0.6, 0.7, 0.8, 0.95]]).astype(np.float32)
    mask = cluster_sizes(pairs(q), np.zeros(100, np.int64), 0.1, rng(0, "surplus")) > 1
    assert not mask[95:].any() and mask[:95].mean() > 0.9


def test_many_classes_and_an_absent_one():
    generator = np.random.default_rng(3)
    g = generator.dirichlet(np.ones(4), 60).astype(np.float32)
    y = np.array([0, 1, 3] * 20)
    mask = cluster_sizes(g, y, 0.5, rng(0, "surplus")) > 1
    assert mask.shape == (60,) and mask.any() and not mask.all()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"subset": 1.0}, "between 0 and 1"),
        ({"subset": 0.0}, "between 0 and 1"),
        ({"subset": float("nan")}, "between 0 and 1"),
        ({"subset": 0.2}, "medoids cannot serve"),
        ({"y": np.array([0, 1])}, "do not fit"),
        ({"y": np.array([0, -1, 0])}, "-1"),
        ({"y": np.array([], np.int64), "gradients": np.zeros((0, 2), np.float32)}, "do not fit"),
    ],
)
def test_bad_input_is_refused(change, word):
    values = {
        "gradients": np.zeros((3, 2), np.float32),
        "y": np.array([0, 1, 1]),
        "subset": 0.7,
        **change,
    }
    with pytest.raises(FedgroupError, match=word):
        cluster_sizes(generator=rng(0, "s"), **values)
