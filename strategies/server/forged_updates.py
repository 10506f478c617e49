"""Malicious clients that forge their updates: applied to the admitted replies of a round.

The attacker is omniscient: it sees the honest updates of the round. A forged update is checked
again like any reply, so that one that is not finite is refused by name.
"""

from dataclasses import dataclass, replace

import numpy as np

from fedgroup.attacks.updates.independent import Honest
from fedgroup.attacks.updates.update_attack import State, UpdateAttack
from fedgroup.errors import FedgroupError
from fedgroup.guards.component_results import checked_state, checked_vector, described, read_only
from fedgroup.guards.surroundings import component_call, name_of
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
        with component_call(self.attack, "forge", self.seed, number):
            answer = self.attack.forge(
                {name: read_only(array) for name, array in self.state.items()},
                [read_only(update.weights.theta - theta) for update in attackers],
                [read_only(update.weights.theta - theta) for update in honest],
                rng(self.seed, "forge", number),
                [update.client for update in honest],
            )
        forged, self.state = self._checked(answer, len(attackers), len(theta))
        disguised = {
            update.client: _disguised(update, theta + delta, honest)
            for update, delta in zip(attackers, forged, strict=True)
        }
        return [disguised.get(update.client, update) for update in updates]

    def _checked(self, answer: object, attackers: int, size: int) -> tuple[list[Vector], State]:
        """Return the forged deltas and the state that the attack gave back.

        Values that are not finite are an attack too: the server refuses them by name.
        """
        who = name_of(self.attack, "forge")
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise FedgroupError(
                f"{who} returned {described(answer)}, expected the deltas and the state"
            )
        deltas, state = answer
        if not isinstance(deltas, list | tuple) or len(deltas) != attackers:
            got = f"{len(deltas)} deltas" if isinstance(deltas, list | tuple) else described(deltas)
            raise FedgroupError(f"{who} returned {got}, expected one delta for each of {attackers}")
        return [checked_vector(who, d, size) for d in deltas], checked_state(who, state)


def first_state(attack: UpdateAttack, size: int, seed: int) -> State:
    """Return the state of an attack before the first round, checked.

    Args:
        attack: The attack.
        size: P, the number of parameters of a delta.
        seed: Seed of the task.

    Returns:
        Named arrays.
    """
    with component_call(attack, "init", seed):
        state = attack.init(size)
    return checked_state(name_of(attack, "init"), state)


def _disguised(update: Update, theta: Vector, honest: list[Update]) -> Update:
    """Return an attacker's update with forged parameters (D,), all else as an honest client's."""
    if not honest:
        return replace(update, weights=replace(update.weights, theta=theta))
    buffers = np.stack([other.weights.buffers for other in honest]).mean(axis=0, dtype=np.float32)
    weights = Weights(theta, buffers, honest[0].weights.counters)
    examples = int(np.median([other.examples for other in honest]))
    return replace(update, weights=weights, examples=examples)
