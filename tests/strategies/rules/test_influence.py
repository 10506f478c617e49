"""What rules say of each client's influence."""

import numpy as np
import pytest

from strategies.checks.toy_updates import cohort
from strategies.rules.fedavg import FedAvg
from strategies.rules.median import Median
from strategies.rules.sparsefed import SparseFed
from strategies.rules.trimmed_mean import TrimmedMean
from tests.strategies.rules.vectors import ZERO, step, vectors


def test_influence_of_median_and_trimmed_mean_by_hand() -> None:
    clients = vectors([1, 9], [2, 2], [3, 3], [4, 4], [5, 1])
    # medians: 3 of client 2 on both coordinates
    assert Median().influence({}, ZERO, clients, np.ones(5), ZERO).tolist() == [0, 0, 1, 0, 0]
    # trim 1 keeps 2, 3, 4 on both coordinates
    shares = TrimmedMean(1).influence({}, ZERO, clients, np.ones(5), ZERO)
    assert np.allclose(shares, [0, 1 / 3, 1 / 3, 1 / 3, 0])


def test_a_lonely_direction_has_no_influence_under_the_median() -> None:
    """The paper's claim on one line: who alone moves a coordinate is cut there."""
    theta, clients, weights = cohort(Median())
    clients[3] = clients[3] + np.float32(1)  # one client pulls everywhere
    assert Median().influence({}, theta, clients, weights, theta)[3] == 0
    assert TrimmedMean(2).influence({}, theta, clients, weights, theta)[3] == 0
    assert FedAvg().influence({}, theta, clients, weights, theta)[3] == pytest.approx(0.1)


def test_sparsefed_influence_counts_clipped_updates() -> None:
    """Norms 5 and 1, clip 1: both send the same, so both decide half."""
    rule = SparseFed(k=1.0, clip=1.0)
    clients = vectors([3, 4], [0.6, 0.8])
    new = step(rule, clients)[0]
    assert np.allclose(rule.influence(rule.init(ZERO), ZERO, clients, np.ones(2), new), [0.5, 0.5])
