import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from fedgroup.methods.clustering import mixture
from fedgroup.methods.clustering.mixture import choose_mixture, fit_mixture
from fedgroup.methods.clustering.silhouette import silhouettes
from tests.fedgroup.methods.cases import CASES, canonical


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("george_autok")])
def test_parity_of_the_search(name: str) -> None:
    """Best k and labels; the scores of smaller k; those of larger k depend on the library's ties."""
    given, want = CASES[name]["inputs"], CASES[name]["expected"]
    points = np.array(given["X"])[:, None]
    found = choose_mixture(
        points, given["method"], given["k_max"], given["n_init"], given["random_state"]
    )
    assert found.k == want["best_k"]
    assert list(found.scores) == list(range(given["k_min"], given["k_max"] + 1))
    assert found.scores[found.k] == pytest.approx(want["best_score"], abs=1e-9)
    for k, score in found.scores.items():
        if k <= found.k:
            assert score == pytest.approx(want["macro_sil_by_k"][str(k)], abs=1e-6)
    assert canonical(found.predict(points)) == want["labels_canonical"]


def test_parity_macro_and_micro_choose_different_numbers() -> None:
    case = CASES["silhouette_macro_vs_micro_pick_different_k"]
    given, want = case["inputs"], case["expected"]
    points = np.array(given["X"])[:, None]
    first, last = given["k_range"]
    found = choose_mixture(points, "kmeans", last, given["n_init"], given["random_state"])
    assert found.k == want["best_k_macro"]
    usual = {}
    for k in range(first, last + 1):
        assert found.scores[k] == pytest.approx(want["macro"][str(k)], abs=1e-6)
        labels = fit_mixture(points, "kmeans", k, given["n_init"], given["random_state"]).predict(
            points
        )
        usual[k] = float(silhouettes(points, [labels])[0].mean())
        assert usual[k] == pytest.approx(want["micro"][str(k)], abs=1e-6)
    assert max(usual, key=lambda k: usual[k]) == want["best_k_micro"]


def test_ties_go_to_the_larger_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixture, "macro", lambda values, labels: 0.5 if labels.max() < 4 else 0.4)
    points = np.random.default_rng(0).normal(size=(60, 1))
    assert choose_mixture(points, "kmeans", 6, 3, 0).k == 4


def test_few_or_equal_points_limit_the_search() -> None:
    four = np.array([[0.0], [0.1], [5.0], [5.1]])
    assert list(choose_mixture(four, "kmeans", 10, 3, 0).scores) == [2, 3]
    three_values = np.repeat([[0.0], [1.0], [9.0]], 20, axis=0)
    found = choose_mixture(three_values, "kmeans", 10, 3, 0)
    assert list(found.scores) == [2, 3] and found.k == 3
    assert list(choose_mixture(three_values, "gmm", 10, 3, 0).scores) == [2, 3]
    for model in ("gmm", "kmeans"):
        with pytest.raises(FedgroupError, match="50 samples with 1 distinct features.*collapsed"):
            choose_mixture(np.ones((50, 1)), model, 10, 3, 0)  # type: ignore[arg-type]
    with pytest.raises(FedgroupError, match="cannot form 5 clusters of 4 samples"):
        fit_mixture(four, "gmm", 5, 3, 0)


def test_the_same_seed_gives_the_same_clusters() -> None:
    points = np.random.default_rng(0).normal(size=(300, 2))
    first, second = (fit_mixture(points, "gmm", 5, 3, 7).predict(points) for _ in range(2))
    assert np.array_equal(first, second) and first.dtype == np.int64
