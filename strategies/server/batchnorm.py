"""What becomes of the BatchNorm statistics: never under a top-k, a momentum or an error feedback.

A model travels as parameters, float statistics (`buffers`) and integer counters. A variance under
server momentum turns negative, and counters averaged as floats lose counts.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from fedgroup.update import Update
from strategies.kernels import coordinatewise
from strategies.server.rule_calls import RuleCalls

Policy = Literal["mean", "rule", "keep"]
"""mean of the clients, the same rule as the parameters, or the server's own kept."""


def aggregate_buffers(
    policy: Policy,
    rule: RuleCalls,
    number: int,
    own: NDArray[np.float32],
    updates: Sequence[Update],
) -> NDArray[np.float32]:
    """Aggregate the float buffers of a round: running means and variances, masks.

    Where the server's own value is not finite, as in a mask of -inf, the clients' are averaged
    whatever the policy: a rule may subtract.

    Args:
        policy: What to do with them.
        rule: The aggregation rule, coordinate-wise where the policy is `rule`.
        number: The round.
        own: The server's statistics before the round, (Q,).
        updates: The N admitted updates.

    Returns:
        The new statistics (Q,).

    Raises:
        FedgroupError: Finite statistics have a mean that is not.
    """
    if policy == "keep" or not own.size:
        return own
    clients = [update.weights.buffers for update in updates]
    masked = ~np.isfinite(own)
    if masked.any():
        with np.errstate(invalid="ignore"):
            mask = np.stack([client[masked] for client in clients]).mean(0, dtype=np.float64)
        clients = [np.where(masked, np.float32(0), client) for client in clients]
    if policy == "rule":
        samples = np.array([update.examples for update in updates], np.float64)
        new = rule.step(number, rule.init(own), own, clients, samples)[0]
    else:
        new = coordinatewise.mean(clients)
    if not np.isfinite(new).all():
        raise FedgroupError(
            f"round {number}: the mean of the clients' buffers overflows float32: a client's "
            f"BatchNorm statistics are too large, lower task.train.lr"
        )
    if masked.any():
        new = new.copy()
        new[masked] = mask
    return new


def aggregate_counters(updates: Sequence[Update]) -> NDArray[np.int64]:
    """Return the largest counter of any client, (C,): batches are counted, not averaged."""
    counters: NDArray[np.int64] = np.maximum.reduce([u.weights.counters for u in updates])
    return counters
