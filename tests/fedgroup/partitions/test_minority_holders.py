import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fedgroup.errors import FedgroupError
from fedgroup.partitions.minority_holders import MinorityHolders
from fedgroup.partitions.partition import group_table
from tests.fedgroup.partitions.samples import COUNTS, TRAIN, WATERBIRDS, data


def possible(few: int, many: int, clients: int, holders: int, balance: str) -> bool:
    """Can the paper's split exist? Written from its words, not from the code."""
    if few == 0 or clients > few + many:
        return False
    if balance == "additive":  # holders with minority samples may go without majority, nobody else
        return many >= clients - min(few, holders)
    totals = [
        len(part) for part in np.array_split(np.arange(few + many), clients)
    ]  # larger ones first
    held = [len(part) for part in np.array_split(np.arange(few), holders)]
    return all(h <= t for h, t in zip(held, totals, strict=False))


@settings(max_examples=200, deadline=None)
@given(
    counts=COUNTS,
    clients=st.integers(1, 20),
    fraction=st.floats(0.05, 1.0),
    balance=st.sampled_from(["equal", "additive"]),
    seed=st.integers(0, 5),
)
@example(
    (0, 4, 0, 0), 3, 0.67, "equal", 0
)  # two holders of 2, but totals are 2, 1, 1: only one may be larger
@example((0, 5, 0, 0), 2, 1.0, "equal", 0)  # 3 and 2: exactly the totals
@example((1, 8, 0, 0), 3, 0.33, "equal", 0)
def test_minority_holders_properties(
    counts: tuple[int, ...], clients: int, fraction: float, balance: Any, seed: int
) -> None:
    train = data(counts)
    scheme = MinorityHolders(clients=clients, holder_fraction=fraction, balance=balance)
    holders = scheme.holders(seed)
    assert len(holders) == max(1, round(fraction * clients))
    few = counts[1] + counts[2]
    if not possible(few, sum(counts) - few, clients, len(holders), balance):
        words = "cannot share" if clients > len(train) else "no training samples" if not few else ""
        words = words or ("a holder gets" if balance == "equal" else "got no samples")
        with pytest.raises(FedgroupError, match=words):
            scheme.assign(train, seed)
        return
    parts = scheme.assign(train, seed)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(train)))
    table = group_table(parts, train)
    held = table[:, 1] + table[:, 2]
    assert held[np.setdiff1d(np.arange(clients), holders)].sum() == 0
    assert held[holders].max() - held[holders].min() <= 1
    majority = table[:, 0] + table[:, 3]
    spread = table.sum(1) if balance == "equal" else majority
    assert spread.max() - spread.min() <= 1
    assert np.array_equal(table[:, :4].sum(0), np.array(counts))


@pytest.mark.parametrize(
    "counts", [WATERBIRDS, (3498, 184, 56, 962), (300, 150, 150, 7), (0, 300, 100, 1)]
)
def test_the_holder_fraction_an_error_names_is_the_smallest_that_works(
    counts: tuple[int, ...],
) -> None:
    train = data(counts)
    with pytest.raises(
        FedgroupError, match="use balance: additive, or a holder_fraction"
    ) as caught:
        MinorityHolders(holder_fraction=0.01).assign(train, 0)
    named = float(str(caught.value).split("at least ")[1].split()[0])
    assert len(MinorityHolders(holder_fraction=named).assign(train, 0)) == 100
    with pytest.raises(FedgroupError, match="use balance: additive"):
        MinorityHolders(holder_fraction=named - 0.01).assign(train, 0)


def test_the_numbers_of_that_error_by_hand() -> None:
    """4,795 over 100: shares of 47, 95 of them 48; 240 = 5 x 48, so five holders are enough."""
    with pytest.raises(
        FedgroupError, match=r"gets 240 .* shares are 47: .* at least 0\.05 \(now 0\.01\)"
    ):
        MinorityHolders(holder_fraction=0.01).assign(TRAIN, 0)
    scheme = MinorityHolders(holder_fraction=0.05)
    table = group_table(scheme.assign(TRAIN, 0), TRAIN)[scheme.holders(0)]
    assert table.tolist() == [[0, *row, 0, 0] for row in table[:, 1:3].tolist()]
    assert (table.sum(1) == 48).all()


def test_the_papers_numbers() -> None:
    """240 minority samples over 10 of 100 clients: 24 each; totals 47 or 48; additive 69 or 70."""
    equal = MinorityHolders()
    table = group_table(equal.assign(TRAIN, 0), TRAIN)
    holders = equal.holders(0)
    assert len(holders) == 10
    assert (table[holders][:, 1:3].sum(1) == 24).all()
    assert set(table.sum(1).tolist()) == {47, 48}
    table = group_table(MinorityHolders(balance="additive").assign(TRAIN, 0), TRAIN)
    totals = table.sum(1)
    assert set(totals[holders].tolist()) <= {69, 70}
    others = np.setdiff1d(np.arange(100), holders)
    assert set(totals[others].tolist()) <= {45, 46}


def test_poisons_are_never_minority_data() -> None:
    poison = np.zeros(4795, np.bool_)
    poison[np.flatnonzero(TRAIN.group == 2)[:40]] = True
    train = dataclasses.replace(TRAIN, poison=poison)
    table = group_table(MinorityHolders().assign(train, 0), train)
    assert table[:, 2].sum() == 16
    assert table[:, 4].sum() == 40
    assert (table[:, 4] > 0).sum() > 10  # dealt to everybody, not to the ten holders


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: MinorityHolders(clients=101).assign(data((90, 1, 1, 8)), 0),
            "101 clients cannot share 100",
        ),
        (
            lambda: MinorityHolders(balance="additive").assign(data((20, 90, 0, 20)), 0),
            "got no samples",
        ),
        (lambda: MinorityHolders(minority=()), "minority names no tier"),
        (
            lambda: MinorityHolders(minority=("LRG1",)).assign(TRAIN, 0),
            "did you mean 'LRG-1'.*HRG, LRG-1, LRG-2",
        ),
        (lambda: MinorityHolders(holder_fraction=0.0), "holder_fraction must lie in"),
        (lambda: MinorityHolders(holder_fraction=1.5), "holder_fraction must lie in"),
        (lambda: MinorityHolders(holder_fraction=float("nan")), "holder_fraction must lie in"),
        (lambda: MinorityHolders(minority=("LRG-3",)).assign(TRAIN, 0), "no tier called 'LRG-3'"),
        (
            lambda: MinorityHolders(holder_fraction=0.01).assign(TRAIN, 0),
            "a holder gets 240 .* 47.*additive",
        ),
        (
            lambda: MinorityHolders().assign(data((500, 0, 0, 500)), 0),
            "no training samples in tiers",
        ),
    ],
)
def test_refusals(make: Any, words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        make()
