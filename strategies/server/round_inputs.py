"""What a rule is told of the clients of a round besides their vectors, where it asks for it."""

from collections.abc import Sequence

import numpy as np

from fedgroup.update import Update
from strategies.aggregator import Aggregator, State, needs_of


def told_by_clients(rule: Aggregator, updates: Sequence[Update]) -> State:
    """Return the inputs of `strategies.aggregator.INPUTS` that come with the N admitted updates."""
    values = {
        "ids": np.array([update.client for update in updates], np.int64),
        "losses": np.array([update.loss for update in updates], np.float64),
    }
    return {name: values[name] for name in needs_of(rule) if name in values}
