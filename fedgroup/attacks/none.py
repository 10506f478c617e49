"""No attack, on samples or on updates: the defaults."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedgroup.attacks.attack import Predict
from fedgroup.attacks.updates.independent import Stateless, Vector
from fedgroup.dataset import Splits
from fedgroup.group_metrics import Counts


@dataclass(frozen=True)
class NoAttack:
    """Clean training data; nothing is measured."""

    paired: ClassVar[bool] = False
    reference: ClassVar[bool] = False

    def poison(self, splits: Splits, rng: np.random.Generator) -> Splits:
        """The splits as they are."""
        return splits

    def success(self, predict: Predict, splits: Splits, rng: np.random.Generator) -> Counts:
        """No sample counts."""
        zero = (0,) * len(splits.test.info.groups)
        return Counts(zero, zero)


@dataclass(frozen=True)
class Honest(Stateless):
    """Malicious clients, if any, send the updates they trained."""

    def deltas(
        self, own: Sequence[Vector], honest: Sequence[Vector], rng: np.random.Generator
    ) -> list[Vector]:
        """Copies of the attackers' own deltas."""
        return [delta.copy() for delta in own]
