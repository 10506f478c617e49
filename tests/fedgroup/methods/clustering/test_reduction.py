import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from fedgroup.methods.clustering.reduction import Reduction, direction, hardness
from tests.fedgroup.methods.cases import CASES

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(40, 6)).astype(np.float32)
Y = np.repeat([0, 1], 20)
WEIGHT = RNG.normal(size=(2, 6)).astype(np.float32)


def test_parity_of_hardness() -> None:
    case = CASES["george_hardness_1d"]
    given, want = case["inputs"], case["expected"]
    weight = np.array(given["W"], np.float32)
    features = np.array(given["activations"], np.float32)
    np.testing.assert_allclose(direction(weight), want["direction"], atol=1e-6)
    reduced = hardness(features, weight)
    assert reduced.dtype == np.float32
    np.testing.assert_allclose(reduced, want["features"], atol=1e-6)
    assert want["base_reducer_dropped"]  # one component: the default works without umap installed
    both = Reduction().fit(features, np.array([0, 1, 1]), weight, 0)
    for transform in both:
        np.testing.assert_allclose(transform(features), want["features"], atol=1e-6)


def test_larger_is_more_class_one() -> None:
    logits = FEATURES @ WEIGHT.T
    order = np.argsort(hardness(FEATURES, WEIGHT)[:, 0])
    assert np.all(np.diff((logits[:, 1] - logits[:, 0])[order]) > -1e-5)


def test_none_keeps_the_activations() -> None:
    for transform in Reduction(kind="none").fit(FEATURES, Y, None, 0):
        assert np.array_equal(transform(FEATURES), FEATURES)


def test_centre_then_normalise_with_the_mean_of_all_training_rows() -> None:
    (first, _) = Reduction(kind="none", centre=True, normalise=True).fit(FEATURES, Y, None, 0)
    moved = FEATURES[:3] - FEATURES.mean(0)
    np.testing.assert_allclose(
        first(FEATURES[:3]), moved / np.linalg.norm(moved, axis=1)[:, None], atol=1e-6
    )
    (zero, _) = Reduction(kind="none", normalise=True).fit(FEATURES, Y, None, 0)
    assert zero(np.zeros((1, 6), np.float32)).tolist() == [[0.0] * 6]


def test_pca_is_fitted_per_class() -> None:
    transforms = Reduction(kind="pca", components=2).fit(FEATURES, Y, None, 0)
    for label, transform in enumerate(transforms):
        own = FEATURES[label == Y]
        centred = own - own.mean(0)
        left, values, _ = np.linalg.svd(centred, full_matrices=False)
        np.testing.assert_allclose(np.abs(transform(own)), np.abs(left * values)[:, :2], atol=1e-4)
    with pytest.raises(FedgroupError, match="cannot keep 7 components of 20 samples of class 0"):
        Reduction(kind="pca", components=7).fit(FEATURES, Y, None, 0)


def test_umap_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    for reduction in (Reduction(kind="umap"), Reduction(components=2)):
        with pytest.raises(FedgroupError, match=r"pip install 'fedgroup\[umap\]'"):
            reduction.fit(FEATURES, Y, WEIGHT, 0)


def test_umap_gets_its_settings_and_hardness_gives_it_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Any] = []

    class UMAP:
        def __init__(self, **settings: Any) -> None:
            self.settings = settings
            made.append(self)

        def fit(self, rows: np.ndarray) -> "UMAP":
            self.rows = rows
            return self

        def transform(self, rows: np.ndarray) -> np.ndarray:
            return rows[:, : self.settings["n_components"]]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=UMAP))
    (first, _) = Reduction(components=3).fit(FEATURES, Y, WEIGHT, 5)
    assert made[0].settings == {
        "n_components": 2,
        "n_neighbors": 10,
        "min_dist": 0.0,
        "random_state": 5,
        "n_jobs": 1,
    }
    np.testing.assert_allclose(made[0].rows @ direction(WEIGHT), 0, atol=1e-5)
    reduced = first(FEATURES)
    assert reduced.shape == (40, 3)
    np.testing.assert_allclose(reduced[:, :1], hardness(FEATURES, WEIGHT))


@pytest.mark.slow
def test_umap_itself() -> None:
    pytest.importorskip("umap")
    for transform in Reduction(kind="umap", components=2).fit(FEATURES, Y, None, 0):
        assert transform(FEATURES).shape == (40, 2)


def test_bad_input_is_refused() -> None:
    with pytest.raises(FedgroupError, match=r"two classes, weight \(2, D\), got \(3, 6\)"):
        hardness(FEATURES, np.ones((3, 6)))
    with pytest.raises(FedgroupError, match="no decision direction"):
        hardness(FEATURES, np.ones((2, 6)))
    with pytest.raises(FedgroupError, match="do not fit a last layer of 5 inputs"):
        hardness(FEATURES, WEIGHT[:, :5])
    with pytest.raises(FedgroupError, match="needs the weight"):
        Reduction().fit(FEATURES, Y, None, 0)
    with pytest.raises(FedgroupError, match="components must be at least 1"):
        Reduction(components=0)
