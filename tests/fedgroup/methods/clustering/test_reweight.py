import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.methods.clustering.reweight import group_average, reweights, worst_reweighted
from tests.fedgroup.methods.cases import CASES


def test_parity_of_the_weights() -> None:
    """The weighted accuracy of the same case is asserted with the counts, in test_groups."""
    case = CASES["george_reweight_vectors"]
    given, want = case["inputs"], case["expected"]
    for split in ("val", "test"):
        weights = reweights(given["n_train"], given[f"n_{split}"])
        np.testing.assert_allclose(weights, want[f"reweight_{split}"], atol=1e-9)


def test_parity_of_the_weighted_average() -> None:
    case = CASES["george_reweighted_group_avg"]
    given, want = case["inputs"], case["expected"]
    average, total = group_average(
        np.array(given["values"]),
        np.array(given["group"]),
        np.array(given["weights"]),
        given["num_groups"],
    )
    np.testing.assert_allclose(average, want["avg"], atol=1e-7)
    np.testing.assert_allclose(total, want["weight_sums"], atol=1e-12)


def test_the_weighted_mean_over_all_is_the_adjusted_accuracy() -> None:
    rng = np.random.default_rng(0)
    group, hit = rng.integers(0, 4, 500), rng.random(500) < 0.7
    train = (400, 40, 20, 100)
    weights = reweights(train, np.bincount(group).tolist())[group]
    counts = Counts.of(hit.astype(np.int64), np.ones(500, np.int64), group, 4)
    average, _ = group_average(hit.astype(float), np.zeros(500, np.int64), weights, 1)
    assert average[0] == pytest.approx(counts.adjusted(train))


def test_the_worst_cluster_by_hand() -> None:
    hit = np.array([True, False, True, True, False])
    ids = np.array([0, 0, 3, 3, 3])
    weights = np.array([2.0, 0.5, 1.0, 0.25, 0.75])
    assert worst_reweighted(hit, ids, weights) == pytest.approx(0.625)
    assert worst_reweighted(hit, ids, np.ones(5)) == 0.5


def test_a_group_missing_in_the_split_has_no_weight() -> None:
    assert reweights((1, 1), (4, 0)).tolist() == [0.5, 0.0]


def test_bad_input_is_refused() -> None:
    with pytest.raises(FedgroupError, match="cannot reweight groups"):
        reweights((1, 1), (1,))
    with pytest.raises(FedgroupError, match="at least one sample"):
        reweights((1, 1), (0, 0))
    with pytest.raises(FedgroupError, match="2 hits, 1 ids and 2 weights"):
        worst_reweighted(np.ones(2, np.bool_), np.zeros(1, np.int64), np.ones(2))
