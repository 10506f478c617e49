"""Which clients are malicious, and who holds the poisons."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fedgroup.dataset import Bools, GroupedDataset, Ints
from fedgroup.errors import FedgroupError
from fedgroup.seeding import rng


@dataclass(frozen=True)
class Attackers:
    """The share of clients that the attacker controls."""

    fraction: float = 0.0
    """Share of malicious clients. 0: no client is, and poisons are spread over all clients."""
    among: Literal["any", "holders", "others"] = "any"
    """Malicious clients are drawn from all clients, from those that hold minority samples (LRG-1 or
    LRG-2), or from those that hold none: independent, overlapping or disjoint."""

    def __post_init__(self) -> None:
        if not 0 <= self.fraction < 1:
            raise FedgroupError(
                f"fraction of malicious clients must lie in [0, 1), got {self.fraction}"
            )
        if self.among != "any" and not self.fraction:
            raise FedgroupError(
                f"among: {self.among} chooses malicious clients, but their fraction is 0: set it too"
            )

    def choose(self, shards: Sequence[Ints], train: GroupedDataset, seed: int) -> tuple[int, ...]:
        """Sorted partition ids of max(1, round(fraction * clients)) malicious clients; () for fraction 0."""
        if not self.fraction:
            return ()
        count = max(1, round(self.fraction * len(shards)))
        pool = np.flatnonzero(self._candidates(shards, train))
        if len(pool) < count:
            raise FedgroupError(
                f"attackers.among: {self.among} leaves {len(pool)} of {len(shards)} clients, "
                f"{count} malicious ones are asked for: lower attackers.fraction or use among: any"
            )
        return tuple(int(c) for c in np.sort(rng(seed, "attackers").permutation(pool)[:count]))

    def _candidates(self, shards: Sequence[Ints], train: GroupedDataset) -> Bools:
        if self.among == "any":
            return np.ones(len(shards), np.bool_)
        groups = [g for tier in ("LRG-1", "LRG-2") for g in train.info.tiers.get(tier, ())]
        rare = np.isin(train.group, groups) & ~train.poison
        holds = np.array([bool(rare[shard].any()) for shard in shards])
        return holds if self.among == "holders" else ~holds


def deal(
    shards: Sequence[Ints], train: GroupedDataset, attackers: Attackers, seed: int
) -> list[Ints]:
    """Add the poisons to the clean shards: to all clients, or to the malicious ones alone.

    Clean samples stay where they are, so that a run and its clean reference share their partition. Poisons
    are permuted and dealt one by one, beginning at a random client; returns sorted positions per client.
    """
    poisons = np.flatnonzero(train.poison)
    if not len(poisons):
        return list(shards)
    chosen = attackers.choose(shards, train, seed) or tuple(range(len(shards)))
    generator = rng(seed, "attackers", "deal")
    order, hands = generator.permutation(poisons), generator.permutation(np.array(chosen))
    dealt = [order[place :: len(hands)] for place in range(len(hands))]
    extra = dict(zip(hands.tolist(), dealt, strict=True))
    none = np.empty(0, np.int64)
    return [np.sort(np.concatenate([shard, extra.get(c, none)])) for c, shard in enumerate(shards)]
