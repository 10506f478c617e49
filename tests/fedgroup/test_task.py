"""What runs of one process share."""

import numpy as np
import torch

from fedgroup.task import placed_splits, prepared_splits
from tests.toy import task

CPU = torch.device("cpu")


def test_runs_that_share_their_data_share_what_is_placed():
    one = placed_splits(task(seed=0), CPU)
    assert placed_splits(task(seed=1, partition={"use": "iid", "clients": 3}), CPU) is one
    assert one.train.bank is prepared_splits(task()).train.bank
    own = [prepared_splits(task(seed=seed, attack_seed=None)).train for seed in (0, 1)]
    assert not np.array_equal(
        own[0].pixels(np.flatnonzero(own[0].poison)), own[1].pixels(np.flatnonzero(own[1].poison))
    )
    assert np.array_equal(
        own[0].group, prepared_splits(task(seed=5)).train.group
    )  # both seeds are 0
    assert not prepared_splits(task(inject=False)).train.poison.any()
