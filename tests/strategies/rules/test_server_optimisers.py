"""Server momentum and Adam by hand."""

import numpy as np
import pytest

from strategies.rules.server_optimisers import FedAdam, FedAvgM
from tests.strategies.rules.vectors import step, vectors


def test_server_momentum_and_adam_by_hand() -> None:
    rule = FedAvgM(beta=0.5, lr=2.0)
    theta, state = step(rule, vectors([1, 0], [3, 0]))
    assert theta.tolist() == [4, 0]  # mean update (2, 0), lr 2
    theta, state = rule.step(state, theta, [theta + np.float32(1)], np.ones(1))
    assert theta.tolist() == [4 + 2 * (0.5 * 2 + 1), 2]
    adam = FedAdam(lr=0.1, beta1=0.5, beta2=0.5, tau=1.0)
    theta, _ = step(adam, vectors([2, 0]))
    assert theta[0] == pytest.approx(0.1 * 1.0 / (np.sqrt(2.0) + 1.0), rel=1e-6)
