"""The selection equals the plain greedy, bit for bit, however it is computed."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedgroup.errors import FedgroupError
from fedgroup.methods.medoids import blocks, facility_location, one_dimension
from fedgroup.methods.medoids.facility_location import choose_medoids
from fedgroup.methods.medoids.fixed_point import SIMILARITIES, Similarity
from tests.fedgroup.methods.medoids.naive import (
    exact_line,
    greedy,
    greedy_at_once,
    pairs,
    rounded,
    similarity_bits,
)

ROOT_HALF = np.sqrt(0.5)
lattice = st.lists(st.integers(0, 2**20), min_size=1, max_size=24)
crowded = st.lists(st.integers(0, 6), min_size=1, max_size=24)


def same(selection, expected):
    order, cluster = expected
    assert selection.order.tolist() == order
    assert selection.cluster.tolist() == cluster
    assert selection.weights.tolist() == [max(1, cluster.count(k)) for k in range(len(order))]


def test_by_hand():
    # distances to all: 13, 11, 11, 27 sixteenths: 1 and 2 tie; then 10/16 gains 9, 2/16 gains 1 + 1, 0 gains 1
    chosen = choose_medoids(pairs(np.array([0, 1, 2, 10]) / 16), 2)
    assert chosen.order.tolist() == [1, 3]
    assert chosen.cluster.tolist() == [0, 0, 0, 1]
    assert chosen.weights.tolist() == [3, 1]
    assert chosen.sizes().tolist() == [3, 3, 3, 1]


def test_ties_go_to_the_lowest_index():
    chosen = choose_medoids(pairs(np.array([10, 2, 1, 0]) / 16), 3)
    # 2/16 before 1/16; then 10/16 gains 8; then 1/16 (gains 1 + 1) and 0 (gains 2) tie
    assert chosen.order.tolist() == [1, 0, 2]
    assert chosen.cluster.tolist() == [1, 0, 2, 2]


def test_a_sample_midway_joins_the_earlier_medoid():
    # the median 4 first; then 0 and 8 tie at gain 4, the lower index first; 2 and 6 lie midway
    chosen = choose_medoids(pairs(np.array([8, 4, 0, 6, 2]) / 8), 3)
    assert chosen.order.tolist() == [1, 0, 2]
    assert chosen.cluster.tolist() == [1, 0, 2, 0, 0]


@pytest.mark.parametrize("values", [lattice, crowded])
def test_line_equals_the_naive_greedy_in_exact_arithmetic(values):
    @settings(max_examples=40, deadline=None)
    @given(values, st.data())
    def check(q, data):
        budget = data.draw(st.integers(1, len(q)))
        q = np.array(q, np.float32) / 2**20
        same(choose_medoids(pairs(q), budget), greedy(exact_line(q), budget))
        same(choose_medoids(q[:, None], budget), greedy(exact_line(q), budget))

    check()


@settings(max_examples=40, deadline=None)
@given(
    lattice | crowded,
    st.sampled_from(SIMILARITIES[1:]),
    st.sampled_from([None, 1.0, 30.0, 2000.0]),
    st.data(),
)
def test_line_equals_the_naive_greedy_on_the_grid(q, similarity, gamma, data):
    budget = data.draw(st.integers(1, len(q)))
    q = np.array(q, np.float32) / 2**20
    d = np.abs(np.subtract.outer(q.astype(np.float64), q)) * 2 * ROOT_HALF
    s = rounded(d, similarity, gamma or 0.5, similarity_bits(len(q)), 1)
    for memory in (1, facility_location.MEMORY):
        same(
            choose_medoids(pairs(q), budget, similarity, gamma=gamma, memory=memory),
            greedy(s, budget),
        )


@settings(max_examples=40, deadline=None)
@given(
    st.integers(3, 5).flatmap(
        lambda c: st.lists(
            st.lists(st.integers(-8, 8), min_size=c, max_size=c), min_size=1, max_size=18
        )
    ),
    st.sampled_from(SIMILARITIES),
    st.data(),
)
def test_space_equals_the_naive_greedy_on_the_grid(points, similarity, data):
    budget = data.draw(st.integers(1, len(points)))
    x = np.array(points) / 16
    d = np.sqrt(np.square(x[:, None] - x).sum(2))
    # the diagonal of the bounding box bounds every distance; powers of two leave its grid where it is
    far = float(np.sqrt(np.square(np.ptp(x, axis=0)).sum()))
    s = rounded(d, similarity, 1 / x.shape[1], similarity_bits(len(x)), far)
    same(choose_medoids(x.astype(np.float32), budget, similarity), greedy(s, budget))


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("gamma", [None, 25.0])
@pytest.mark.parametrize("distinct", [8, 150, 2**20])
def test_a_longer_line_equals_the_naive_greedy(similarity, gamma, distinct):
    q = (
        np.rint(np.random.default_rng(distinct).integers(0, distinct, 200) * (2**20 / distinct))
        / 2**20
    )
    q = q.astype(np.float32)
    d = np.abs(np.subtract.outer(q.astype(np.float64), q)) * 2 * ROOT_HALF
    if similarity == "max_minus_distance":
        s = np.rint((1 - np.abs(np.subtract.outer(q.astype(np.float64), q))) * 2**20)
    else:
        s = rounded(d, similarity, gamma or 0.5, similarity_bits(200), 1)
    for budget in (20, 180):
        same(choose_medoids(pairs(q), budget, similarity, gamma=gamma), greedy_at_once(s, budget))


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_a_crowd_at_one_end_equals_the_naive_greedy(end):
    # what a trained model gives: most samples share one value at the end of the line
    q = np.rint(np.random.default_rng(7).random(70) * 2**20) / 2**20
    q[:40] = end
    chosen = choose_medoids(pairs(q), 25)
    same(chosen, greedy_at_once(np.rint((1 - np.abs(np.subtract.outer(q, q))) * 2**20), 25))
    assert chosen.order[0] == 0 and (chosen.sizes()[:40] > 1).all()


@pytest.mark.parametrize("seed", range(5))
def test_neighbouring_steps_of_the_grid_are_told_apart(seed):
    steps = np.random.default_rng(seed).integers(0, 60, 50)
    similarity = Similarity("max_minus_distance", 0.5, 6, 1.0, 1.0)
    order, cluster = one_dimension.greedy(steps, 20, similarity, 1)
    assert (order, cluster.tolist()) == greedy_at_once(
        64.0 - np.abs(np.subtract.outer(steps, steps)), 20
    )


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("side", [3, 6, 1000])
def test_a_larger_space_equals_the_naive_greedy(similarity, side):
    # a grid of few sites ties everywhere; 200 samples are more than one lazy batch
    x = np.random.default_rng(side).integers(0, side, (200, 3)) / 1024
    d = np.sqrt(np.square(x[:, None] - x).sum(2))
    far = float(np.sqrt(np.square(np.ptp(x, axis=0)).sum()))
    s = rounded(d, similarity, 1 / 3, similarity_bits(200), far)
    for memory in (20_000, facility_location.MEMORY):
        same(
            choose_medoids(x.astype(np.float32), 60, similarity, memory=memory),
            greedy_at_once(s, 60),
        )


@pytest.mark.parametrize("classes", [3, 10, 40])
@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_space_equals_a_float_greedy_where_nothing_ties(classes, similarity):
    g = np.random.default_rng(classes).dirichlet(np.full(classes, 0.4), 120).astype(np.float32)
    x = g.astype(np.float64)
    d = np.sqrt(np.square(x[:, None] - x).sum(2))
    s = {"max_minus_distance": d.max() - d, "inverse": 1 / (1 + d)}.get(
        similarity, np.exp(-d / classes)
    )
    best, order = np.zeros(len(s)), []
    for _ in range(30):
        gains = np.maximum(s - best, 0).sum(1)
        gains[order] = -1
        order.append(int(gains.argmax()))
        best = np.maximum(best, s[order[-1]])
    chosen = choose_medoids(g, 30, similarity)
    assert chosen.order.tolist() == order
    assert chosen.cluster.tolist() == s[:, order].argmax(1).tolist()


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_line_and_space_agree(similarity):
    q = np.random.default_rng(1).integers(0, 2**20, 300).astype(np.float32) / 2**20
    flat = np.concatenate([q[:, None], np.zeros((300, 2), np.float32)], axis=1)
    line, space = (choose_medoids(x, 40, similarity, gamma=0.5) for x in (q[:, None], flat))
    assert line.order.tolist() == space.order.tolist()
    assert line.cluster.tolist() == space.cluster.tolist()


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_blocks_do_not_change_the_result_and_respect_the_memory(similarity, monkeypatch):
    g = np.random.default_rng(2).dirichlet(np.ones(4), 200).astype(np.float32)
    whole = choose_medoids(g, 25, similarity)
    sizes = []
    rows = blocks._rows

    def watched(points, similarity):
        inner = rows(points, similarity)
        return lambda positions: sizes.append(len(positions)) or inner(positions)

    monkeypatch.setattr(blocks, "_rows", watched)
    for memory in (1, 100_000, 8 * 200 * 200):
        sizes.clear()
        part = choose_medoids(g, 25, similarity, memory=memory)
        assert part.order.tolist() == whole.order.tolist()
        assert part.cluster.tolist() == whole.cluster.tolist()
        assert max(sizes) * 200 * 8 <= max(memory, 200 * 8)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("similarity", ["max_minus_distance", "inverse"])
def test_cuda_gives_the_same_selection(similarity):
    g = np.random.default_rng(2).dirichlet(np.ones(10), 2000).astype(np.float32)
    ours, theirs = (choose_medoids(g, 200, similarity, device=device) for device in ("cpu", "cuda"))
    assert ours.order.tolist() == theirs.order.tolist()
    assert ours.cluster.tolist() == theirs.cluster.tolist()


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("columns", [1, 2, 3])
def test_degenerate_inputs(similarity, columns):
    equal = np.full((6, columns), 0.25, np.float32)
    chosen = choose_medoids(equal, 4, similarity)
    assert chosen.order.tolist() == [0, 1, 2, 3]  # one gains, the rest are the lowest left
    assert chosen.cluster.tolist() == [0] * 6
    assert chosen.weights.tolist() == [6, 1, 1, 1]
    assert chosen.sizes().tolist() == [6] * 6
    alone = choose_medoids(equal[:1], 1, similarity)
    assert alone.order.tolist() == [0] and alone.sizes().tolist() == [1]


def test_budget_of_all_samples_isolates_every_distinct_value():
    q = np.array([0.5, 0.125, 0.5, 0.25], np.float32)
    chosen = choose_medoids(pairs(q), 4)
    assert sorted(chosen.order.tolist()) == [0, 1, 2, 3]
    assert chosen.order.tolist()[-1] == 2  # the copy gains nothing
    assert (chosen.sizes() > 1).tolist() == [True, False, True, False]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=60), st.sampled_from(SIMILARITIES))
def test_properties_of_any_line(q, similarity):
    g = np.array(q, np.float32)[:, None]
    full = choose_medoids(g, len(q), similarity)
    half = choose_medoids(g, (len(q) + 1) // 2, similarity)
    assert half.order.tolist() == full.order.tolist()[: len(half.order)]  # greedy is incremental
    assert sorted(full.order.tolist()) == list(range(len(q)))
    assert np.bincount(half.cluster).sum() == len(q)
    assert choose_medoids(
        g * np.float32(2), len(half.order), "max_minus_distance"
    ).order.tolist() == (
        choose_medoids(g, len(half.order), "max_minus_distance").order.tolist()
    )  # a power of two moves the grid along


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1.0, 1e30])
def test_any_float32_scale(scale):
    q = (np.arange(12) ** 2 % 7 * np.float32(scale)).astype(np.float32)
    same(choose_medoids(q[:, None], 5), greedy(exact_line(q), 5))


def test_greedy_reaches_its_guarantee():
    rng = np.random.default_rng(5)
    for _ in range(10):
        q = (rng.integers(0, 1000, 9) / 1024).astype(np.float32)
        s = np.array(exact_line(q), float)
        value = [s[:, list(c)].max(1).sum() for c in itertools.combinations(range(9), 3)]
        mine = s[:, choose_medoids(pairs(q), 3).order].max(1).sum()
        assert (1 - 1 / np.e) * max(value) <= mine <= max(value)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"gradients": np.array([[0.5, -0.5], [np.nan, 0]], np.float32)}, "sample 1"),
        ({"gradients": np.array([[0.5, -0.5], [np.inf, 0]], np.float32)}, "not finite"),
        ({"gradients": np.zeros((0, 2), np.float32)}, "shape"),
        ({"gradients": np.zeros(3, np.float32)}, "shape"),
        ({"gradients": np.zeros((3, 2))}, "float64"),
        ({"budget": 0}, "1 to 3"),
        ({"budget": 4}, "1 to 3"),
        ({"similarity": "max_minus_distances"}, "did you mean 'max_minus_distance'"),
        ({"gamma": 0.0}, "gamma"),
        ({"gamma": float("nan")}, "gamma"),
        ({"memory": 0}, "memory"),
        ({"gradients": np.eye(3, dtype=np.float32), "device": "mps"}, "float64"),
    ],
)
def test_bad_input_is_refused(change, word):
    given_ = {"gradients": np.zeros((3, 2), np.float32), "budget": 1, **change}
    with pytest.raises(FedgroupError, match=word):
        choose_medoids(**given_)
