"""No attack: the default, so that every task has one and nothing asks whether it has."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedgroup.attacks.attack import Predict
from fedgroup.dataset import Splits
from fedgroup.groups import Counts


@dataclass(frozen=True)
class NoAttack:
    """Clean training data; nothing is measured."""

    paired: ClassVar[bool] = False

    def poison(self, splits: Splits, rng: np.random.Generator) -> Splits:
        """The splits as they are."""
        return splits

    def success(self, predict: Predict, splits: Splits, rng: np.random.Generator) -> Counts:
        """No sample counts."""
        zero = (0,) * len(splits.test.info.groups)
        return Counts(zero, zero)
