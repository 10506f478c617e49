from typing import Any

import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from fedgroup.methods.clustering.clusters import Clustering, compact, move_between, smallest
from fedgroup.methods.clustering.reduction import Reduction
from fedgroup.spec import build
from tests.fedgroup.methods.cases import canonical

WEIGHT = np.array([[-1.0, 0.0], [1.0, 0.0]])
NONE = Reduction(kind="none")


def blobs(seed: int = 0, scale: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Activations (N, 2) of two classes: class 0 in two blobs, class 1 in three; (features, y, blob)."""
    rng = np.random.default_rng(seed)
    sizes = np.array([60, 20, 40, 8, 30]) * scale
    blob = rng.permutation(np.repeat(np.arange(5), sizes))
    place = np.array([-5.0, 0.0, 6.0, -3.0, 1.5])[blob]
    features = np.stack([place + 0.1 * rng.normal(size=len(blob)), rng.normal(size=len(blob))], 1)
    return features, (blob >= 2).astype(np.int64), blob


@pytest.mark.parametrize("model", ["gmm", "kmeans"])
def test_the_blobs_of_each_class_are_found_and_held_out_samples_assigned(model: Any) -> None:
    features, y, blob = blobs()
    clusters = Clustering(model=model, largest_k=5).fit(features, y, 0, WEIGHT)
    assert clusters.sizes == (2, 3)
    assert [max(s, key=lambda k: s[k]) for s in clusters.scores] == [2, 3]
    ids = clusters.assign(features, y)
    assert canonical(ids) == canonical(blob)
    assert set(ids[y == 0]) == {0, 1} and set(ids[y == 1]) == {2, 3, 4}
    other, other_y, other_blob = blobs(seed=1)
    name = {b: int(ids[blob == b][0]) for b in range(5)}
    assert clusters.assign(other, other_y).tolist() == [name[b] for b in other_blob]
    assert smallest(ids) == name[3]


def test_samples_are_assigned_by_their_true_class() -> None:
    features, y, _ = blobs()
    clusters = Clustering(k=2).fit(features, y, 0, WEIGHT)
    here = np.repeat(features[:1], 2, axis=0)
    first, second = clusters.assign(here, np.array([0, 1]))
    assert first < 2 <= second < 4
    assert clusters.assign(features[:0], y[:0]).tolist() == []


def test_a_fixed_number_and_one_cluster_per_class() -> None:
    features, y, _ = blobs()
    assert Clustering(k=4).fit(features, y, 0, WEIGHT).sizes == (4, 4)
    one = Clustering(k=1, reduction=NONE).fit(features, y, 0)
    assert np.array_equal(one.assign(features, y), y)
    assert one.scores == ({}, {})


def test_the_same_seed_gives_the_same_clusters() -> None:
    features, y, _ = blobs()
    first, second = (
        Clustering(k=6).fit(features, y, 3, WEIGHT).assign(features, y) for _ in range(2)
    )
    assert np.array_equal(first, second)


def test_overclustering_splits_off_a_hard_part() -> None:
    features, y, blob = blobs(scale=8)
    losses = np.where(blob == 4, 3.0, 0.1)
    plain = Clustering(k=2, model="kmeans").fit(features, y, 0, WEIGHT)
    split = Clustering(k=2, model="kmeans", overcluster=2).fit(
        features, y, 0, WEIGHT, losses, (features, y)
    )
    assert plain.sizes == (2, 2) and split.sizes == (2, 3)
    ids = split.assign(features, y)
    assert len(np.unique(ids)) == sum(split.sizes)
    assert set(ids[y == 0]).isdisjoint(ids[y == 1])
    assert set(ids[blob == 4]).isdisjoint(ids[blob != 4])
    with pytest.raises(FedgroupError, match="overcluster needs the losses"):
        Clustering(overcluster=3).fit(features, y, 0, WEIGHT)
    with pytest.raises(FedgroupError, match=r"losses \(3,\) for 1264 samples"):
        Clustering(k=2, overcluster=3).fit(features, y, 0, WEIGHT, losses[:3], (features, y))


def test_overclustering_without_validation_samples_of_a_class_keeps_nothing_there() -> None:
    features, y, blob = blobs(scale=8)
    losses = np.where(blob == 4, 3.0, 0.1)
    held = (features[y == 0], y[y == 0])
    reduction = Reduction(kind="pca", components=1)
    clusters = Clustering(reduction, k=2, overcluster=2).fit(
        features, y, 0, losses=losses, val=held
    )
    assert clusters.sizes[1] == 2


def test_synthbirds_size_takes_seconds() -> None:
    """3,682 and 1,113 points on a line, k = 2..10 with three starts each."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [3682, 1113])
    features = np.stack([np.where(y == 1, 1.0, -1.0) + rng.normal(size=len(y)), y], 1)
    clusters = Clustering().fit(features.astype(np.float32), y, 0, WEIGHT)
    assert all(list(scores) == list(range(2, 11)) for scores in clusters.scores)


def test_compact_removes_gaps() -> None:
    ids, old = compact(np.array([7, 2, 2, 5, 7]))
    assert ids.tolist() == [2, 0, 0, 1, 2] and old.tolist() == [2, 5, 7]


def test_the_smallest_cluster_is_never_empty_and_ties_go_to_the_lowest_id() -> None:
    assert smallest(np.array([3, 3, 1, 1, 5, 5, 5])) == 1
    assert smallest(np.array([4])) == 4
    with pytest.raises(FedgroupError, match="0 samples"):
        smallest(np.array([], np.int64))


# class 0: clusters 0 (4 samples), 1 (3); class 1: clusters 2 (5), 3 (5), 4 (2: one poison)
IDS = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4])
CLASS = (IDS >= 2).astype(np.int64)
POISON = np.isin(np.arange(19), [6, 7, 13, 18])


def test_move_between_by_hand() -> None:
    assert np.array_equal(move_between(IDS, CLASS, POISON, "standard"), IDS)
    ideal = move_between(IDS, CLASS, POISON, "ideal")
    assert (
        np.flatnonzero(ideal != IDS).tolist() == [18] and ideal[18] == 2
    )  # 2 and 3 tie: the lower id
    worst = move_between(IDS, CLASS, POISON, "worst")
    assert np.flatnonzero(worst != IDS).tolist() == [7, 13]  # the poison of class 0 stays
    assert (worst == 4).sum() == 4
    assert np.array_equal(IDS[:3], [0, 0, 0])  # the input is not touched


def test_ideal_may_empty_the_cluster() -> None:
    moved = move_between(IDS, CLASS, IDS == 4, "ideal")
    assert not (moved == 4).any()
    ids, old = compact(moved)
    assert old.tolist() == [0, 1, 2, 3] and np.bincount(ids).min() > 0


def test_move_between_refuses_what_it_cannot_do() -> None:
    with pytest.raises(FedgroupError, match="class 1 has one cluster"):
        move_between(
            np.array([0, 0, 1]), np.array([0, 0, 1]), np.array([False, False, True]), "ideal"
        )
    with pytest.raises(FedgroupError, match="no case called 'best'"):
        move_between(IDS, CLASS, POISON, "best")  # type: ignore[arg-type]
    with pytest.raises(FedgroupError, match="19 cluster ids, 19 classes and 18 poison marks"):
        move_between(IDS, CLASS, POISON[:18], "worst")


def test_bad_input_is_refused() -> None:
    features, y, _ = blobs()
    broken = features.copy()
    broken[5, 1] = np.nan
    for arguments, message in [
        ((broken, y), r"activations of 1 samples are not finite \(the first is 5\)"),
        ((features, y[:-1]), "do not fit"),
        ((features, y + 1), "class 0 has no training samples"),
        ((np.ones_like(features), y), "class 0: .* 1 distinct features"),
    ]:
        with pytest.raises(FedgroupError, match=message):
            Clustering().fit(*arguments, 0, WEIGHT)
    with pytest.raises(FedgroupError, match="class 1: cannot form 90 clusters of 78 samples"):
        Clustering(k=90, reduction=NONE).fit(
            np.concatenate([features, features]), np.repeat([0, 1], [238, 78]), 0
        )
    clusters = Clustering(k=2).fit(features, y, 0, WEIGHT)
    with pytest.raises(FedgroupError, match="class 2 was not clustered"):
        clusters.assign(features[:1], np.array([2]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"k": 0}, "k must be at least 1 or auto, got 0"),
        ({"k": "many"}, "k"),
        ({"largest_k": 1}, "largest_k 1 must be at least 2"),
        ({"restarts": 0}, "restarts 0 at least 1"),
        ({"overcluster": 1}, "overcluster must be 0"),
        ({"model": "dbscan"}, "gmm"),
        ({"reduction": {"kind": "tsne"}}, "reduction.kind"),
    ],
)
def test_bad_settings_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(FedgroupError, match=message):
        build(Clustering, values, "method.clustering")


def test_settings_are_read_from_a_spec() -> None:
    given = {"k": 3, "reduction": {"kind": "pca", "components": 4}}
    assert build(Clustering, given) == Clustering(
        k=3, reduction=Reduction(kind="pca", components=4)
    )
    assert build(Clustering, {"k": "auto"}) == Clustering()
