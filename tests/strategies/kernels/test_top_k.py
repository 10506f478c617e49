"""The exact top-k against a full sort."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedgroup.errors import FedgroupError
from strategies.kernels import top_k
from tests.strategies.kernels.stacks import VALUES


def reference_top(values: np.ndarray, k: int) -> np.ndarray:
    return np.sort(np.argsort(-np.abs(values), kind="stable")[:k])


@settings(deadline=None)
@given(
    hnp.arrays(
        np.float32,
        st.integers(1, 700),
        elements=st.one_of(st.sampled_from([float(v) for v in VALUES]), st.floats(-4, 4, width=32)),
    ),
    st.data(),
)
def test_top_k_is_exact_with_ties_to_the_lowest_index(
    values: np.ndarray, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, len(values)))
    np.testing.assert_array_equal(top_k.top_k(values, k), reference_top(values, k))


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(5000),
        np.full(5000, -2.0),
        np.r_[np.zeros(4990), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        np.where(
            np.arange(5000) % 64 == 0, 1e6, np.arange(5000)
        ),  # the sample sees only the huge ones
        np.where(np.arange(5000) % 64 == 0, 0.0, 1.0),  # the sample sees only zeros
        np.where(np.arange(5000) % 64 == 0, np.inf, 1.0),
        np.geomspace(1e-38, 1e38, 5000),
    ],
)
def test_top_k_survives_misleading_samples(values: np.ndarray) -> None:
    values = values.astype(np.float32)
    for k in (1, 5, 64, 78, 79, 80, 500, 4999, 5000):
        np.testing.assert_array_equal(top_k.top_k(values, k), reference_top(values, k))


def test_top_k_refuses_nan_and_impossible_counts() -> None:
    with pytest.raises(FedgroupError, match="NaN"):
        top_k.top_k(np.array([1, np.nan, 2], np.float32), 1)
    for k in (0, 4):
        with pytest.raises(FedgroupError, match=r"1\.\.3"):
            top_k.top_k(np.ones(3, np.float32), k)
