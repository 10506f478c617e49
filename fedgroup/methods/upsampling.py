"""JTT's training list: everything once, and what was identified again (spec group_methods 1.2)."""

from typing import Literal

from fedgroup.dataset import Bools, GroupedDataset
from fedgroup.errors import FedgroupError


def upsample(
    data: GroupedDataset,
    found: Bools,
    factor: int,
    factor_counts: Literal["added", "total"] = "added",
) -> GroupedDataset:
    """The samples of `data`, then those `found` (N,) again, block after block.

    factor_counts added: a found sample occurs 1 + factor times per epoch, as in the official code; total:
    factor times. factor -1 is the official automatic choice int((N - E)/E) - 1 with E found samples, at
    least 0. Without found samples the list is `data` itself: plain ERM.
    """
    if found.shape != data.y.shape:
        raise FedgroupError(
            f"a mask of {found.shape} for {len(data)} samples: give one entry per sample"
        )
    if factor < -1 or (factor_counts == "total" and factor == 0):
        raise FedgroupError(
            f"the up-sampling factor must be at least 0 (1 where it counts the total), or -1 for the "
            f"automatic one, got {factor}"
        )
    errors = int(found.sum())
    if errors == 0:
        return data
    if factor == -1:
        return data.repeat(found, max(0, (len(data) - errors) // errors - 1))
    return data.repeat(found, factor - (factor_counts == "total"))
