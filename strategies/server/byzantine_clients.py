"""Malicious clients that forge their updates: applied by the host to the admitted replies of a round.

The attacker sees the honest updates of the round (an omniscient adversary, spec attacks 5). Forged
updates are checked again like any reply: one that is not finite is refused by name.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fedgroup.attacks.none import Honest
from fedgroup.errors import FedgroupError
from fedgroup.layout import Weights
from fedgroup.seeding import rng
from fedgroup.update import Update, finite, too_long


@dataclass
class Forger:
    """An update-level attack, who carries it out, and its state, which every checkpoint holds."""

    attack: Any
    malicious: frozenset[int]
    """Partition ids."""
    seed: int
    state: dict[str, Any]

    def forge(self, number: int, before: Weights, updates: list[Update]) -> list[Update]:
        """Replace the malicious clients' updates of round `number`; the order stays.

        BatchNorm statistics become the honest mean, counters an honest client's, and the sample count the
        honest median, so that only the parameters betray the attacker.
        """
        theirs = [update for update in updates if update.client in self.malicious]
        honest = [update for update in updates if update.client not in self.malicious]
        if type(self.attack) is Honest or not theirs:
            return updates
        theta = before.theta
        forged, self.state = self.attack.forge(
            self.state,
            [update.weights.theta - theta for update in theirs],
            [update.weights.theta - theta for update in honest],
            rng(self.seed, "forge", number),
            [update.client for update in honest],
        )
        made = {
            update.client: _disguised(update, theta + delta, honest)
            for update, delta in zip(theirs, forged, strict=True)
        }
        return [made.get(update.client, update) for update in updates]


def _disguised(update: Update, theta: Any, honest: list[Update]) -> Update:
    if not honest:
        return replace(update, weights=replace(update.weights, theta=theta))
    buffers = np.stack([other.weights.buffers for other in honest]).mean(axis=0, dtype=np.float32)
    weights = Weights(theta, buffers, honest[0].weights.counters)
    return replace(
        update, weights=weights, examples=int(np.median([other.examples for other in honest]))
    )


def refused(update: Update, max_norm: float | None, theta: Any) -> str | None:
    """Why a forged update is not admitted; None where it is."""
    if not finite(update.weights.theta):
        return "theta holds NaN or infinite values"
    return too_long(update.weights.theta, theta, max_norm)


def check_forgers(attack: Any, fraction: float) -> None:
    """Refuse an update-level attack without anybody to carry it out."""
    if type(attack) is not Honest and not fraction:
        raise FedgroupError(
            f"federation.byzantine is {type(attack).__name__} but no client is malicious: set "
            f"task.attackers.fraction, e.g. 0.2"
        )
