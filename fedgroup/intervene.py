"""The paper's three cases as set operations: what a method found, without or with known samples."""

from typing import Literal, get_args

import numpy as np

from fedgroup.dataset import Bools
from fedgroup.errors import FedgroupError, unknown

Case = Literal["standard", "ideal", "worst"]
"""standard: as found; ideal: without the members; worst: with all members."""


def check_case(case: str) -> None:
    """Refuse a case that is none of the three."""
    if case not in get_args(Case):
        raise unknown("case", case, get_args(Case))


def intervene(found: Bools, members: Bools, case: Case) -> Bools:
    """Return the samples that a method acts on in a case (paper, sections 3.1 and 4.2).

    JTT amplifies with members = poisons; EPIC eliminates with members = the minority groups.

    Args:
        found: Samples that the method found, (N,) bool.
        members: Samples known to be poisons, or of the minority, (N,) bool.
        case: standard: as found; ideal: without the members; worst: with all members.

    Returns:
        A new mask, (N,) bool.

    Raises:
        FedgroupError: where the case is unknown, or the masks are no masks over one data set.
    """
    check_case(case)
    for name, mask in (("found", found), ("members", members)):
        if mask.dtype != np.bool_ or mask.ndim != 1:
            raise FedgroupError(
                f"{name} must be a flat boolean mask with one entry per sample, "
                f"got {mask.dtype} of shape {mask.shape}"
            )
    if len(found) != len(members):
        raise FedgroupError(
            f"found marks {len(found)} samples and members {len(members)}: "
            f"give both over one data set"
        )
    if case == "ideal":
        return found & ~members
    return found | members if case == "worst" else found.copy()
