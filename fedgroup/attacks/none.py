"""No attack on samples: the default."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedgroup.attacks.attack import Predict
from fedgroup.dataset import Splits
from fedgroup.group_metrics import Counts


@dataclass(frozen=True)
class NoAttack:
    """Clean training data; nothing is measured."""

    paired: ClassVar[bool] = False
    reference: ClassVar[bool] = False

    def poison(self, splits: Splits, rng: np.random.Generator) -> Splits:
        """Return the splits as they are."""
        return splits

    def success(self, predict: Predict, splits: Splits, rng: np.random.Generator) -> Counts:
        """Count no sample."""
        zero = (0,) * len(splits.test.info.groups)
        return Counts(zero, zero)
