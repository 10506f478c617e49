"""Epochs that are uniform over groups: GroupDRO's and GEORGE's sampler."""

import numpy as np
from numpy.typing import NDArray

from fedgroup.dataset import Ints
from fedgroup.errors import FedgroupError


def sampling_weights(ids: Ints) -> NDArray[np.float64]:
    """Return N/n_g for each sample's group g, (N,): drawing by it is uniform over groups."""
    if len(ids) == 0 or ids.min() < 0:
        raise FedgroupError(
            "group ids must be 0, 1, 2, ..., one per sample of a non-empty data set"
        )
    weights: NDArray[np.float64] = len(ids) / np.bincount(ids)[ids]
    return weights


def uniform_over_groups(ids: Ints, rng: np.random.Generator) -> Ints:
    """Draw one epoch: N positions with replacement, uniform over groups, then within the group.

    ids (N,) are the groups or clusters; those without samples are never drawn (Sagawa et al., ICLR
    2020, algorithm 1, which draws a group uniformly at every step).
    """
    weights = sampling_weights(ids)
    return rng.choice(len(ids), len(ids), p=weights / weights.sum())
