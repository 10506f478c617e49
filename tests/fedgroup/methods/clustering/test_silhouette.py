import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_samples

from fedgroup.errors import FedgroupError
from fedgroup.methods.clustering.silhouette import macro, silhouettes
from tests.fedgroup.methods.cases import CASES


def naive(points: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The definition, sample by sample."""
    out = np.zeros(len(points))
    for i in range(len(points)):
        distance = np.sqrt(((points - points[i]) ** 2).sum(1))
        own = labels == labels[i]
        if own.sum() == 1:
            continue
        a = distance[own].sum() / (own.sum() - 1)
        b = min(distance[labels == c].mean() for c in set(labels.tolist()) - {int(labels[i])})
        out[i] = (b - a) / max(a, b) if max(a, b) > 0 else 0.0
    return out


def test_parity_tiny_case_macro_is_not_micro() -> None:
    case = CASES["george_macro_silhouette_tiny"]
    labels, want = np.array(case["inputs"]["labels"]), case["expected"]
    points = np.array(case["inputs"]["X"])[:, None]
    values = silhouettes(points, [labels])[0]
    np.testing.assert_allclose(values, want["per_sample"], atol=1e-12)
    by_cluster = np.bincount(labels, values) / np.bincount(labels)
    np.testing.assert_allclose(by_cluster, want["per_cluster"], atol=1e-12)
    assert macro(values, labels) == pytest.approx(want["macro_mean"], abs=1e-12)
    assert values.mean() == pytest.approx(want["micro_mean"], abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(2, 40),
    dimensions=st.integers(1, 3),
    clusters=st.integers(2, 6),
    grid=st.booleans(),
)
def test_any_dimension_equals_the_definition(
    seed: int, count: int, dimensions: int, clusters: int, grid: bool
) -> None:
    """Ties, duplicates, clusters of one and unused ids included."""
    rng = np.random.default_rng(seed)
    shape = (count, dimensions)
    points = rng.integers(0, 4, shape).astype(float) if grid else rng.normal(size=shape)
    labels = rng.integers(0, clusters, count) * 2
    labels[:2] = 0, 2
    np.testing.assert_allclose(silhouettes(points, [labels])[0], naive(points, labels), atol=1e-12)


@pytest.mark.parametrize("dimensions", [1, 4])
def test_it_equals_the_usual_implementation(dimensions: int) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 900)
    points = rng.normal(size=(900, dimensions)) + 3 * labels[:, None]
    np.testing.assert_allclose(
        silhouettes(points, [labels])[0], silhouette_samples(points, labels), atol=1e-11
    )


def test_a_far_offset_keeps_the_digits() -> None:
    points = np.array([0.0, 1e-6, 3e-6, 1.0, 1.0 + 2e-6, 1e6])[:, None]
    labels = np.array([0, 0, 1, 2, 2, 3])
    np.testing.assert_allclose(silhouettes(points, [labels])[0], naive(points, labels), atol=1e-9)
    # 2^33 is exact beside multiples of 1/256, so that shifting must change nothing
    grid = np.round(np.random.default_rng(0).normal(size=(50, 1)) * 256) / 256
    labels = np.arange(50) % 3
    shifted = silhouettes(grid + 2.0**33, [labels])[0]
    np.testing.assert_allclose(shifted, silhouettes(grid, [labels])[0], atol=1e-6)


def test_blocks_and_several_labelings_change_nothing() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(101, 3))
    labelings = [rng.integers(0, k, 101) for k in (2, 5, 9)]
    whole = silhouettes(points, labelings)
    for memory in (1, 8 * 101 * 7):
        for a, b in zip(silhouettes(points, labelings, memory), whole, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-13)
    alone = [silhouettes(points, [labels])[0] for labels in labelings]
    for a, b in zip(alone, whole, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-13)


def test_all_points_equal_have_silhouette_zero() -> None:
    labels = np.array([0, 0, 1, 1])
    for dimensions in (1, 2):
        assert silhouettes(np.full((4, dimensions), 0.1), [labels])[0].tolist() == [0.0] * 4


def test_celeba_size_on_a_line_is_fast() -> None:
    """138,503 points; measured 0.05 s, the limit leaves room for a busy machine."""
    rng = np.random.default_rng(0)
    points, labels = rng.normal(size=(138_503, 1)), rng.integers(0, 10, 138_503)
    start = time.perf_counter()
    values = silhouettes(points, [labels])[0]
    assert time.perf_counter() - start < 1.0
    some = rng.choice(len(points), 20, replace=False)
    for i in some:
        distance = np.abs(points[:, 0] - points[i, 0])
        mean = np.bincount(labels, distance) / np.bincount(labels)
        own = labels[i]
        a = mean[own] * (labels == own).sum() / ((labels == own).sum() - 1)
        b = np.delete(mean, own).min()
        assert values[i] == pytest.approx((b - a) / max(a, b), abs=1e-10)


@pytest.mark.parametrize(
    ("points", "labels", "message"),
    [
        ([[0.0], [1.0]], [0, 0], "at least two clusters"),
        ([[0.0], [1.0]], [0, -1], "at least two clusters"),
        ([[0.0], [float("nan")]], [0, 1], "finite points"),
        ([0.0, 1.0], [0, 1], "finite points"),
        ([[0.0], [1.0]], [0, 1, 1], "one per point"),
    ],
)
def test_bad_input_is_refused(points: list[float], labels: list[int], message: str) -> None:
    with pytest.raises(FedgroupError, match=message):
        silhouettes(np.array(points), [np.array(labels)])
