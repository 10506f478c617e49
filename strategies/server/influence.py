"""Who decided a round: each client's influence, and that of minority holders and attackers.

The group lens of the records: an influence ratio of 0.5 says that the clients which hold rare
groups were heard half as much as the others.
"""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from fedgroup.update import Update
from strategies.aggregator import Aggregator, State, TellsInfluence, Vector

Floats = NDArray[np.float64]


def influence_of(
    rule: Aggregator,
    state: State,
    theta: Vector,
    clients: Sequence[Vector],
    weights: Floats,
    new: Vector,
) -> Floats | None:
    """Ask a rule how much each client decided.

    Args:
        rule: The aggregation rule.
        state: Its state before the step.
        theta: Global parameters before the step, (D,) float32.
        clients: Parameters of the N clients, (D,) float32 each.
        weights: Training samples of each client, (N,).
        new: Global parameters after the step, (D,) float32.

    Returns:
        Shares (N,) that sum to 1 (see `TellsInfluence`); None where the rule cannot say.
    """
    if not isinstance(rule, TellsInfluence):
        return None
    return rule.influence(state, theta, clients, weights, new)


def influence_ratios(
    updates: Sequence[Update],
    shares: Floats,
    minority: Sequence[int],
    malicious: Collection[int],
) -> dict[str, float]:
    """Compare the influence of minority holders and of attackers with that of the other clients.

    Args:
        updates: The N admitted updates; a minority holder has samples of a rare group.
        shares: Their influences, (N,).
        minority: The rare groups.
        malicious: Partition ids of the malicious clients.

    Returns:
        `minority_influence` and `attacker_influence`: the mean share of these clients over the mean
        share of the others. One that is not defined is left out.
    """
    holders = [
        any(update.groups[group] for group in minority if group < len(update.groups))
        for update in updates
    ]
    attackers = [update.client in malicious for update in updates]
    ratios = {
        "minority_influence": _ratio(shares, np.array(holders)),
        "attacker_influence": _ratio(shares, np.array(attackers)),
    }
    return {name: ratio for name, ratio in ratios.items() if ratio is not None}


def mean_ratio(ratios: Sequence[float | None]) -> float | None:
    """Return the mean of the ratios that are defined; None where none is."""
    defined = [ratio for ratio in ratios if ratio is not None]
    return sum(defined) / len(defined) if defined else None


def _ratio(shares: Floats, mask: NDArray[np.bool_]) -> float | None:
    """Return the mean share of the masked clients over the others'; None where not defined."""
    if not mask.any() or mask.all() or not shares[~mask].sum():
        return None
    return float(shares[mask].mean() / shares[~mask].mean())
