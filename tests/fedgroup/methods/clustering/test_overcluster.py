import numpy as np
import pytest

from fedgroup.methods.clustering.mixture import fit_mixture
from fedgroup.methods.clustering.overcluster import keep, label_map, overcluster
from tests.fedgroup.methods.cases import CASES


def test_parity_of_the_label_map() -> None:
    case = CASES["george_overcluster_label_map"]
    base, factor = case["inputs"]["num_base_clusters"], case["inputs"]["oc_fac"]
    for kept, want in case["expected"].items():
        raw = [int(r) for r in kept.strip("[]").split(",") if r.strip()]
        assert label_map(raw, base, factor).tolist() == [want[str(r)] for r in range(base * factor)]


def three_blobs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One class: 200 points near 0, 60 hard ones near 3 and 200 near 30; raw ids under factor 2."""
    rng = np.random.default_rng(0)
    sizes, centres = (200, 60, 200), (0.0, 3.0, 30.0)
    points = np.concatenate(
        [c + 0.1 * rng.normal(size=(n, 1)) for n, c in zip(sizes, centres, strict=True)]
    )
    losses = np.repeat([0.1, 2.0, 0.1], sizes)
    return points, losses, np.repeat([0, 1, 2], sizes)


def test_a_tight_hard_large_part_is_kept() -> None:
    points, losses, raw = three_blobs()
    labels = np.array([0, 0, 1])[raw]  # the base clusters: the first two blobs together
    many = np.array([100, 100, 100, 0])
    assert keep(points, labels, raw, 2, losses, many) == [
        1
    ]  # 2 gains nothing: it only has nearer others
    assert keep(points, labels, raw, 2, losses, np.array([100, 24, 100, 0])) == []
    assert keep(points, labels, raw, 2, -losses, many) == []
    small = np.flatnonzero((raw != 1) | (np.cumsum(raw == 1) <= 24))
    assert keep(points[small], labels[small], raw[small], 2, losses[small], many) == []


def test_a_part_below_half_a_percent_is_merged_back() -> None:
    rng = np.random.default_rng(0)
    sizes = (6000, 30)
    points = np.concatenate([rng.normal(size=(6000, 1)) * 0.1, 3 + 0.01 * rng.normal(size=(30, 1))])
    raw, losses = np.repeat([0, 1], sizes), np.repeat([0.1, 2.0], sizes)
    labels, many = np.zeros(6030, np.int64), np.array([100, 100])
    assert keep(points, labels, raw, 2, losses, many) == []  # 30 < 0.005 * 6,030
    assert keep(points[200:], labels[200:], raw[200:], 2, losses[200:], many) == [1]


def test_the_whole_step_finds_the_hard_blob() -> None:
    points, losses, blob = three_blobs()
    base = fit_mixture(points, "gmm", 2, 3, 0)
    split = overcluster(base, 2, points, losses, points, "gmm", 3, 0)
    ids = split.predict(points)
    hard = set(ids[blob == 1].tolist())
    assert len(hard) == 1 and not hard & set(ids[blob != 1].tolist())
    assert ids.max() < split.k
    unseen = overcluster(base, 2, points, losses, points[:0], "gmm", 3, 0)
    assert np.array_equal(
        unseen.predict(points), base.predict(points)
    )  # no validation sample: nothing kept


def test_a_base_cluster_of_few_distinct_points_stays_whole() -> None:
    points = np.concatenate([np.zeros((50, 1)), np.random.default_rng(0).normal(9, 1, (200, 1))])
    base = fit_mixture(points, "kmeans", 2, 3, 0)
    split = overcluster(base, 5, points, np.ones(250), points, "kmeans", 3, 0)
    assert len(set(split.predict(points)[:50].tolist())) == 1


@pytest.mark.parametrize("base_k", [1, 2])
def test_one_base_cluster_counts_as_silhouette_zero(base_k: int) -> None:
    points, losses, _ = three_blobs()
    base = fit_mixture(points, "kmeans", base_k, 3, 0)
    split = overcluster(base, 3, points, losses, points, "kmeans", 3, 0)
    assert len(np.unique(split.predict(points))) >= base_k
