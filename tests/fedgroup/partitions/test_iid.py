from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedgroup.errors import FedgroupError
from fedgroup.partitions.iid import Iid
from fedgroup.partitions.partition import group_table
from tests.fedgroup.partitions.samples import COUNTS, TRAIN, data


@settings(max_examples=60, deadline=None)
@given(
    counts=COUNTS,
    clients=st.integers(1, 20),
    drop=st.booleans(),
    stratify=st.booleans(),
    seed=st.integers(0, 9),
)
def test_iid_properties(
    counts: tuple[int, ...], clients: int, drop: bool, stratify: bool, seed: int
) -> None:
    train = data(counts)
    scheme = Iid(clients, "drop" if drop else "keep", stratify)
    if clients > sum(counts):
        with pytest.raises(FedgroupError, match="cannot share"):
            scheme.assign(train, seed)
        return
    parts = scheme.assign(train, seed)
    dealt = np.concatenate(parts)
    sizes = [len(part) for part in parts]
    assert (
        len(np.unique(dealt))
        == len(dealt)
        == (sum(counts) // clients * clients if drop else sum(counts))
    )
    assert max(sizes) - min(sizes) <= (0 if drop else 1)
    if stratify:
        table = group_table(parts, train)
        assert (table.max(0) - table.min(0) <= 1).all()


def test_iid_sizes_and_the_base_codes_remainder() -> None:
    assert {len(p) for p in Iid().assign(TRAIN, 0)} == {47, 48}
    dropped = Iid(remainder="drop").assign(TRAIN, 0)
    assert {len(p) for p in dropped} == {47}
    assert sum(len(p) for p in dropped) == 4700  # 95 of 4,795 are never used
    table = group_table(Iid(stratify=True).assign(TRAIN, 0), TRAIN)
    assert (table.max(0) - table.min(0) <= 1).all()


def test_iid_holders_of_lrg1_are_as_many_as_chance_says() -> None:
    """A 48-sample shard holds one of 56 LRG-1 samples with probability 0.43."""
    shares = [
        float((group_table(Iid().assign(TRAIN, seed), TRAIN)[:, 2] > 0).mean())
        for seed in range(10)
    ]
    assert 0.38 < np.mean(shares) < 0.48


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Iid(clients=0), "clients must be at least 1"),
        (
            lambda: Iid(clients=4796).assign(TRAIN, 0),
            "4796 clients cannot share 4795 samples: use at most",
        ),
    ],
)
def test_refusals(make: Any, words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        make()
