import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedgroup.data.partition import (
    Dirichlet,
    Iid,
    Lists,
    MinorityHolders,
    Pathological,
    group_table,
    partition_hash,
    validate,
)
from fedgroup.dataset import GroupedDataset
from fedgroup.errors import FedgroupError
from tests.toy import INFO

WATERBIRDS = (3498, 184, 56, 1057)


def data(counts: tuple[int, ...] = WATERBIRDS) -> GroupedDataset:
    group = np.random.default_rng(0).permutation(np.repeat(np.arange(4), counts))
    bank = torch.zeros(1, 1, 1, 3, dtype=torch.uint8)
    return GroupedDataset.clean(bank, np.zeros(len(group), np.int64), group // 2, group, INFO)


TRAIN = data()
SCHEMES: list[Any] = [
    Iid(),
    Iid(stratify=True),
    MinorityHolders(),
    MinorityHolders(balance="additive"),
    Dirichlet(alpha=1.0),
    Dirichlet(alpha=1.0, over="label"),
    Pathological(),
    Pathological(per_client=1, over="label"),
]


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_disjoint_complete_sorted_and_a_function_of_the_seed(scheme: Any) -> None:
    parts = scheme.assign(TRAIN, 0)
    assert len(parts) == 100
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(4795))
    assert all((np.diff(part) > 0).all() for part in parts)
    assert partition_hash(parts) == partition_hash(scheme.assign(TRAIN, 0))
    assert partition_hash(parts) != partition_hash(scheme.assign(TRAIN, 1))


@settings(max_examples=40, deadline=None)
@given(
    counts=st.tuples(*(st.integers(0, 60) for _ in range(4))),
    clients=st.integers(1, 20),
    fraction=st.floats(0.05, 1.0),
    balance=st.sampled_from(["equal", "additive"]),
    seed=st.integers(0, 5),
)
def test_minority_holders_properties(
    counts: tuple[int, ...], clients: int, fraction: float, balance: Any, seed: int
) -> None:
    train = data(counts)
    scheme = MinorityHolders(clients=clients, holder_fraction=fraction, balance=balance)
    try:
        parts = scheme.assign(train, seed)
    except FedgroupError:
        return
    table = group_table(parts, train)
    held = table[:, 1] + table[:, 2]
    holders = scheme.holders(seed)
    assert len(holders) == max(1, round(fraction * clients))
    assert held[np.setdiff1d(np.arange(clients), holders)].sum() == 0
    assert held[holders].max() - held[holders].min() <= 1
    majority = table[:, 0] + table[:, 3]
    spread = table.sum(1) if balance == "equal" else majority
    assert spread.max() - spread.min() <= 1
    assert np.array_equal(table[:, :4].sum(0), np.array(counts))


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


def test_iid_sizes_and_the_base_codes_remainder() -> None:
    assert {len(p) for p in Iid().assign(TRAIN, 0)} == {47, 48}
    dropped = Iid(remainder="drop").assign(TRAIN, 0)
    assert {len(p) for p in dropped} == {47}
    assert sum(len(p) for p in dropped) == 4700  # 95 of 4,795 are never used
    table = group_table(Iid(stratify=True).assign(TRAIN, 0), TRAIN)
    assert (table.max(0) - table.min(0) <= 1).all()


def test_iid_holders_of_lrg1_are_as_many_as_chance_says() -> None:
    """A 48-sample shard holds one of 56 LRG-1 samples with probability 0.43 (spec federated 2.5)."""
    shares = [float((group_table(Iid().assign(TRAIN, seed), TRAIN)[:, 2] > 0).mean()) for seed in range(10)]
    assert 0.38 < np.mean(shares) < 0.48


def test_poisons_are_never_minority_data() -> None:
    import dataclasses

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
        (lambda: Iid(clients=0), "clients must be at least 1"),
        (lambda: Iid(clients=4796).assign(TRAIN, 0), "client 4795 of 4796 got no samples"),
        (lambda: MinorityHolders(holder_fraction=0.0), "holder_fraction must lie in"),
        (lambda: MinorityHolders(minority=("LRG-3",)).assign(TRAIN, 0), "no tier called 'LRG-3'"),
        (lambda: MinorityHolders(holder_fraction=0.01).assign(TRAIN, 0), "a holder gets 240 .* 47.*additive"),
        (lambda: MinorityHolders().assign(data((500, 0, 0, 500)), 0), "no training samples in tiers"),
        (lambda: Dirichlet(alpha=0.0), "alpha must be positive"),
        (lambda: Dirichlet(alpha=0.001).assign(TRAIN, 0), "raise alpha"),
        (lambda: Dirichlet(min_samples=100).assign(TRAIN, 0), "need more than the 4795"),
        (lambda: Pathological(per_client=5).assign(TRAIN, 0), "per_client 5 exceeds the 4 groups"),
        (lambda: Pathological(clients=2, per_client=0), "per_client must be at least 1"),
    ],
)
def test_refusals(make: Any, words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        make()


def test_pathological_clients_hold_few_groups() -> None:
    table = group_table(Pathological(per_client=2).assign(TRAIN, 0), TRAIN)
    assert ((table > 0).sum(1) == 2).all()


def test_validate_by_hand() -> None:
    good = [np.array([2, 0]), np.array([1])]
    assert [p.tolist() for p in validate(good, 3)] == [[0, 2], [1]]
    with pytest.raises(FedgroupError, match="sample 1 is dealt to more than one"):
        validate([np.array([0, 1]), np.array([1, 2])], 3)
    with pytest.raises(FedgroupError, match="1 of 4 samples are dealt to no client"):
        validate(good, 4)
    with pytest.raises(FedgroupError, match="do not exist"):
        validate([np.array([5])], 3)
    with pytest.raises(FedgroupError, match="client 1 of 2 got no samples"):
        validate([np.array([0, 1, 2]), np.array([], np.int64)], 3)


def test_lists_from_a_file(tmp_path: Path) -> None:
    train = data((2, 2, 1, 1))
    path = tmp_path / "parts.json"
    path.write_text(json.dumps([[0, 3], [1, 2, 4, 5]]))
    assert [p.tolist() for p in Lists(str(path)).assign(train, 0)] == [[0, 3], [1, 2, 4, 5]]
    for text, words in [
        ("[[0, 1]]", "4 of 6 samples"),
        ('{"a": 1}', "JSON list of lists"),
        ("[[0, 'x']]", "JSON list of lists"),
        ("[]", "JSON list of lists"),
        ("[1, 2]", "JSON list of lists"),
    ]:
        path.write_text(text)
        with pytest.raises(FedgroupError, match=words):
            Lists(str(path)).assign(train, 0)
    with pytest.raises(FedgroupError, match="cannot read"):
        Lists(str(tmp_path / "none.json")).assign(train, 0)


def test_flwr_datasets_adapter_without_the_package() -> None:
    from fedgroup.data.flwr_partitioner import FlwrDatasets

    try:
        import datasets  # noqa: F401
    except ImportError:
        with pytest.raises(FedgroupError, match=r"pip install 'fedgroup\[partitioners\]'"):
            FlwrDatasets().assign(TRAIN, 0)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("IidPartitioner", [("num_partitions", 10)]),
        ("DirichletPartitioner", [("num_partitions", 10), ("partition_by", "group"), ("alpha", 1.0)]),
        (
            "PathologicalPartitioner",
            [("num_partitions", 8), ("partition_by", "y"), ("num_classes_per_partition", 1)],
        ),
        ("LinearPartitioner", [("num_partitions", 10)]),
    ],
)
def test_flwr_datasets_partitioners(name: str, options: list[tuple[str, Any]]) -> None:
    pytest.importorskip("flwr_datasets")
    from fedgroup.data.flwr_partitioner import FlwrDatasets

    scheme = FlwrDatasets(f"flwr_datasets.partitioner:{name}", tuple(options))
    parts = scheme.assign(TRAIN, 0)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(4795))
    assert len(parts) == options[0][1]
