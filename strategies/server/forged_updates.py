"""Malicious clients that forge their updates: applied to the admitted replies of a round.

The attacker is omniscient: it sees the honest updates of the round. A forged update is checked
again like any reply, so that one that is not finite is refused by name.
"""

from dataclasses import dataclass, replace

import numpy as np

from fedgroup.attacks.updates.independent import Honest
from fedgroup.attacks.updates.update_attack import State, UpdateAttack
from fedgroup.layout import Weights
from fedgroup.seeding import rng
from fedgroup.update import Update
from strategies.aggregator import Vector


@dataclass
class Forger:
    """An attack on updates, who carries it out, and its state, which every checkpoint holds."""

    attack: UpdateAttack
    malicious: frozenset[int]
    """Partition ids."""
    seed: int
    """Seed of the task."""
    state: State
    """What the attack carries from round to round."""

    def forge(self, number: int, before: Weights, updates: list[Update]) -> list[Update]:
        """Replace the malicious clients' updates.

        BatchNorm statistics become the honest mean, counters an honest client's, and the sample
        count the honest median, so that only the parameters betray the attacker.

        Args:
            number: The round.
            before: Global weights before the round.
            updates: The admitted updates, sorted by partition id.

        Returns:
            All updates in the same order.
        """
        attackers = [update for update in updates if update.client in self.malicious]
        honest = [update for update in updates if update.client not in self.malicious]
        if type(self.attack) is Honest or not attackers:
            return updates
        theta = before.theta
        forged, self.state = self.attack.forge(
            self.state,
            [update.weights.theta - theta for update in attackers],
            [update.weights.theta - theta for update in honest],
            rng(self.seed, "forge", number),
            [update.client for update in honest],
        )
        disguised = {
            update.client: _disguised(update, theta + delta, honest)
            for update, delta in zip(attackers, forged, strict=True)
        }
        return [disguised.get(update.client, update) for update in updates]


def _disguised(update: Update, theta: Vector, honest: list[Update]) -> Update:
    """Return an attacker's update with forged parameters (D,), all else as an honest client's."""
    if not honest:
        return replace(update, weights=replace(update.weights, theta=theta))
    buffers = np.stack([other.weights.buffers for other in honest]).mean(axis=0, dtype=np.float32)
    weights = Weights(theta, buffers, honest[0].weights.counters)
    examples = int(np.median([other.examples for other in honest]))
    return replace(update, weights=weights, examples=examples)
