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
    """Share of malicious clients. 0: no client is, and poisons are dealt to all clients."""
    among: Literal["any", "holders", "others"] = "any"
    """Malicious clients are drawn from all clients, from those that hold minority samples (LRG-1 or
    LRG-2), or from those that hold none."""

    def __post_init__(self) -> None:
        if not 0 <= self.fraction < 1:
            raise FedgroupError(
                f"fraction of malicious clients must lie in [0, 1), got {self.fraction}"
            )
        if self.among != "any" and not self.fraction:
            raise FedgroupError(
                f"among: {self.among} chooses malicious clients, but their fraction is 0: "
                f"set it too"
            )

    def choose(self, shards: Sequence[Ints], train: GroupedDataset, seed: int) -> tuple[int, ...]:
        """Draw the malicious clients: max(1, round(fraction * clients)) of them.

        Args:
            shards: Positions in `train` of each client's clean samples.
            train: The training set; poisons in it do not matter.
            seed: Seed of the draw, the task's.

        Returns:
            Their partition ids, sorted; () for fraction 0.

        Raises:
            FedgroupError: `among` leaves fewer clients than that.
        """
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
        """Return which clients `among` allows, (clients,)."""
        if self.among == "any":
            return np.ones(len(shards), np.bool_)
        groups = [g for tier in ("LRG-1", "LRG-2") for g in train.info.tiers.get(tier, ())]
        rare = np.isin(train.group, groups) & ~train.poison
        holders = np.array([bool(rare[shard].any()) for shard in shards])
        return holders if self.among == "holders" else ~holders


def deal_poisons(
    shards: Sequence[Ints], train: GroupedDataset, attackers: Attackers, seed: int
) -> list[Ints]:
    """Add the poisons to the clean shards: to the malicious clients or, without any, to all.

    Clean samples stay where they are, so that a run and its clean reference share their partition.
    Poisons are permuted and dealt one by one, beginning at a random client.

    Args:
        shards: Positions in `train` of each client's clean samples.
        train: The training set, poisons marked.
        attackers: Which clients are malicious.
        seed: Seed of the draws, the task's.

    Returns:
        Positions in `train` of each client's samples, sorted.
    """
    poisons = np.flatnonzero(train.poison)
    if not len(poisons):
        return list(shards)
    chosen = attackers.choose(shards, train, seed) or tuple(range(len(shards)))
    generator = rng(seed, "attackers", "deal")
    order = generator.permutation(poisons)
    receivers = generator.permutation(np.array(chosen))
    dealt = [order[place :: len(receivers)] for place in range(len(receivers))]
    extra = dict(zip(receivers.tolist(), dealt, strict=True))
    none = np.empty(0, np.int64)
    return [np.sort(np.concatenate([shard, extra.get(c, none)])) for c, shard in enumerate(shards)]
