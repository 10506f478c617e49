"""How far rounding alone can move the result of a rule: what the checks of rules allow.

A mean of float32 vectors is off by about one unit in the last place (ulp), and an adaptive rule
divides that by its tau: Adagrad with eta 0.1 and tau 1e-3 makes 4.8e-5 of it. So the allowance is
measured: every client is shifted by one ulp, and the result moves by the rule's own amplification.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from strategies.aggregator import Aggregator, State, Vector, copy_state

LEAST = 1e-5
"""Allowed in any case: a few ulp of parameters around 1, which is what the checks draw."""
ULPS = 4
"""How many such shifts a reordered or weighted sum of float32 can be off by."""
MOST = 0.01
"""Share of an ordinary step that is never put down to rounding."""


def allowance(
    rule: Aggregator,
    state: State,
    theta: Vector,
    clients: Sequence[Vector],
    weights: NDArray[np.float64],
    ordinary: float,
) -> float:
    """Return how far two results may lie apart that would be equal in real arithmetic.

    Args:
        rule: The rule.
        state: Its state before the step.
        theta: Global parameters, (D,) float32.
        clients: Parameters of the N clients, (D,) float32 each.
        weights: Training samples of each client, (N,).
        ordinary: How far the rule moves the model in an ordinary round.

    Returns:
        The largest allowed difference in any coordinate.
    """
    up = np.float32(np.inf)
    shifted = [np.nextafter(client, up, dtype=np.float32) for client in clients]
    plain = rule.step(copy_state(state), theta, list(clients), weights)[0]
    moved = rule.step(copy_state(state), theta, shifted, weights)[0]
    amplified = ULPS * float(np.abs(moved - plain).max())
    return max(LEAST, min(amplified, MOST * ordinary))
