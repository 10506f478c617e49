"""AUC, threshold distance and total variation against brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedgroup.probes.two_samples import auc, threshold_distance, total_variation

small = st.lists(st.integers(-3, 3), min_size=1, max_size=12)


def test_by_hand():
    a, b = [0, 0, 1, 2], [1, 2, 2, 3, 3]
    # ordered pairs with a > b: 2 over 1; ties: 1 with 1, 2 with 2 and 2
    assert auc(a, b) == pytest.approx((1 + 3 / 2) / 20)
    # frequencies (1/2, 1/4, 1/4, 0) and (0, 1/5, 2/5, 2/5)
    assert total_variation(a, b) == pytest.approx(0.55)
    assert threshold_distance(a, b) == pytest.approx(0.75 - 0.2)


@settings(max_examples=40, deadline=None)
@given(small, small, st.integers(0, 99))
def test_no_rule_on_the_signal_beats_the_total_variation(a, b, seed):
    rules = np.random.default_rng(seed).random((20, 7))
    rules[::2] = rules[::2].round()  # half are not randomised
    rates_a, rates_b = (rules[:, np.array(x) + 3].mean(1).clip(0, 1) for x in (a, b))
    assert np.abs(rates_a - rates_b).max() <= total_variation(a, b) + 1e-9


def test_histogram_by_hand():
    a, b = [1.0, 2, 3, 4], [5.0, 6, 7, 8, 3.5, 0.5]
    # pooled order: 0.5 1 2 3 3.5 | 4 5 6 7 8: a has 3 and 1 of 4, b has 2 and 4 of 6
    assert total_variation(a, b, bins=2) == pytest.approx(3 / 4 - 2 / 6)
