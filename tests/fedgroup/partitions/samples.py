"""A training split with Waterbirds' group counts and no pictures, for the tests of partitions."""

import numpy as np
import torch
from hypothesis import strategies as st

from fedgroup.dataset import GroupedDataset
from tests.toy import INFO

WATERBIRDS = (3498, 184, 56, 1057)


def data(counts: tuple[int, ...] = WATERBIRDS) -> GroupedDataset:
    group = np.random.default_rng(0).permutation(np.repeat(np.arange(4), counts))
    bank = torch.zeros(1, 1, 1, 3, dtype=torch.uint8)
    return GroupedDataset.clean(bank, np.zeros(len(group), np.int64), group // 2, group, INFO)


TRAIN = data()
COUNTS = st.tuples(*(st.integers(0, 40) for _ in range(4)))
