"""What becomes of the BatchNorm statistics: never under a top-k, a momentum or an error feedback.

A model travels as parameters, float statistics (`buffers`) and integer counters. A variance under
server momentum turns negative, and counters averaged as floats lose counts.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fedgroup.update import Update
from strategies.aggregator import Aggregator
from strategies.kernels import coordinatewise

Policy = Literal["mean", "rule", "keep"]
"""mean of the clients, the same rule as the parameters, or the server's own kept."""


def aggregate_buffers(
    policy: Policy,
    rule: Aggregator,
    own: NDArray[np.float32],
    updates: Sequence[Update],
    samples: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Aggregate the running means and variances of a round.

    Args:
        policy: What to do with them.
        rule: The aggregation rule, coordinate-wise where the policy is `rule`.
        own: The server's statistics before the round, (Q,).
        updates: The N admitted updates.
        samples: Training samples of each client, (N,).

    Returns:
        The new statistics (Q,).
    """
    if policy == "keep" or not own.size:
        return own
    clients = [update.weights.buffers for update in updates]
    if policy == "rule":
        return rule.step(rule.init(own), own, clients, samples)[0]
    return coordinatewise.mean(clients)


def aggregate_counters(updates: Sequence[Update]) -> NDArray[np.int64]:
    """Return the largest counter of any client, (C,): batches are counted, not averaged."""
    counters: NDArray[np.int64] = np.maximum.reduce([u.weights.counters for u in updates])
    return counters
