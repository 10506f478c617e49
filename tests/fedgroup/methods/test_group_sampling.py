import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from fedgroup.methods.group_sampling import sampling_weights, uniform_over_groups
from fedgroup.seeding import rng
from tests.fedgroup.methods.cases import CASES


def test_parity_of_the_weights() -> None:
    case = CASES["gdro_sampler_weights"]
    weights = sampling_weights(np.array(case["inputs"]["train_groups"]))
    np.testing.assert_allclose(weights, case["expected"]["weights"], rtol=1e-6)
    for name, counts in {
        "waterbirds": [3498, 184, 56, 1057],
        "celeba": [71629, 66874, 22880, 1387],
    }.items():
        want = case["expected"][name]
        ids = np.repeat(np.arange(4), counts)
        weights = sampling_weights(ids)
        assert len(ids) == want["N"]
        assert weights[np.cumsum(counts) - 1].tolist() == pytest.approx(
            want["weights_by_group"], rel=1e-9
        )
        share = np.bincount(ids, weights) / weights.sum()
        np.testing.assert_allclose(
            share, case["expected"]["waterbirds"]["prob_of_group_per_draw"], rtol=1e-9
        )


def test_an_epoch_is_uniform_over_groups_and_within_them() -> None:
    ids = np.repeat([0, 1, 3], [9000, 900, 100])
    order = uniform_over_groups(ids, rng(0, "sampler"))
    assert order.shape == ids.shape and order.dtype == np.int64
    share = np.bincount(ids[order], minlength=4) / len(ids)
    np.testing.assert_allclose(share, [1 / 3, 1 / 3, 0, 1 / 3], atol=0.02)  # 4 standard errors
    rare = np.bincount(
        order[ids[order] == 3] - 9900, minlength=100
    )  # 33 draws of each are expected
    assert rare.min() > 10 and rare.max() < 62


def test_the_draw_depends_on_the_generator_alone() -> None:
    ids = np.array([0, 0, 0, 1])
    first = uniform_over_groups(ids, rng(3, "sampler"))
    assert np.array_equal(first, uniform_over_groups(ids, rng(3, "sampler")))
    assert not np.array_equal(first, uniform_over_groups(ids, rng(4, "sampler")))


@pytest.mark.parametrize("ids", [[], [0, -1]])
def test_impossible_ids_are_refused(ids: list[int]) -> None:
    with pytest.raises(FedgroupError, match="group ids must be"):
        sampling_weights(np.array(ids, np.int64))
