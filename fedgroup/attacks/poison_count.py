"""How many poisons a fraction of the training set is; for all attacks on samples."""

import math
from collections.abc import Callable

from fedgroup.dataset import GroupedDataset
from fedgroup.errors import FedgroupError


def check_fraction(fraction: float) -> None:
    """Refuse a share of poisons outside (0, 1]."""
    if not 0 < fraction <= 1:
        raise FedgroupError(f"fraction of poisons must lie in (0, 1], got {fraction}")


def poison_count(fraction: float, train: GroupedDataset) -> int:
    """Return n = floor(fraction * N), N the clean training samples (1 % of 4795: 47).

    1e-9 is added before the floor, so that a product that is whole in decimals stays whole.

    Raises:
        FedgroupError: n is 0.
    """
    clean = int((~train.poison).sum())
    count = math.floor(fraction * clean + 1e-9)
    if count < 1:
        remedy = (
            f"use at least {three_digits(1 / clean, math.ceil):.3g}"
            if clean
            else "give the split samples"
        )
        raise FedgroupError(
            f"a fraction of {fraction:g} of {clean} training samples is no poison at all: {remedy}"
        )
    return count


def three_digits(value: float, rounding: Callable[[float], int]) -> float:
    """Return `value` rounded up (math.ceil) or down (math.floor) to three significant digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return rounding(round(value / unit, 9)) * unit
