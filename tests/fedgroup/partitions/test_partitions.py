import dataclasses
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fedgroup.dataset import GroupedDataset
from fedgroup.errors import FedgroupError
from fedgroup.partitions.flwr_datasets import FlwrDatasets
from fedgroup.partitions.lists import Lists
from fedgroup.partitions.partition import (
    NAMES,
    Iid,
    MinorityHolders,
    group_table,
    partition_hash,
    validate,
)
from fedgroup.partitions.skew import Dirichlet, Pathological, SizeSkew
from fedgroup.spec import build, resolve, to_dict
from fedgroup.task import Task, assign_clients
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
    SizeSkew(),
    SizeSkew(exponent=0.0),
]


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_disjoint_complete_sorted_and_a_function_of_the_seed(scheme: Any) -> None:
    parts = scheme.assign(TRAIN, 0)
    assert len(parts) == 100
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(4795))
    assert all((np.diff(part) > 0).all() for part in parts)
    assert partition_hash(parts) == partition_hash(scheme.assign(TRAIN, 0))
    assert partition_hash(parts) != partition_hash(scheme.assign(TRAIN, 1))


COUNTS = st.tuples(*(st.integers(0, 40) for _ in range(4)))


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


def possible(few: int, many: int, clients: int, holders: int, balance: str) -> bool:
    """Can the split of spec federated 3.2 exist? Written from its words, not from the code."""
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


@settings(max_examples=60, deadline=None)
@given(counts=COUNTS, clients=st.integers(1, 12), held=st.integers(1, 4), seed=st.integers(0, 5))
def test_pathological_never_exceeds_its_groups(
    counts: tuple[int, ...], clients: int, held: int, seed: int
) -> None:
    train = data(counts)
    kinds = sum(count > 0 for count in counts)
    scheme = Pathological(clients, held)
    if clients > len(train) or held > kinds or clients * held < kinds:
        with pytest.raises(FedgroupError):
            scheme.assign(train, seed)
        return
    try:
        parts = scheme.assign(train, seed)
    except (
        FedgroupError
    ) as error:  # a group smaller than its holders leaves some of them with nothing
        assert "got no samples" in str(error)
        assert min(count for count in counts if count) < clients
        return
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(train)))
    assert ((group_table(parts, train) > 0).sum(1) <= held).all()


@settings(max_examples=60, deadline=None)
@given(
    samples=st.integers(1, 300),
    clients=st.integers(1, 20),
    exponent=st.floats(0.0, 4.0),
    least=st.integers(1, 5),
    seed=st.integers(0, 5),
)
def test_size_skew_properties(
    samples: int, clients: int, exponent: float, least: int, seed: int
) -> None:
    scheme = SizeSkew(clients, exponent, least)
    if clients * least > samples:
        with pytest.raises(FedgroupError, match="need more than the"):
            scheme.assign(data((samples, 0, 0, 0)), seed)
        return
    parts = scheme.assign(data((samples, 0, 0, 0)), seed)
    sizes = sorted((len(part) for part in parts), reverse=True)
    assert sizes == scheme.sizes(samples).tolist()
    assert sum(sizes) == samples and sizes[-1] >= least
    if exponent == 0:
        assert sizes[0] - sizes[-1] <= 1


def test_size_skew_by_hand() -> None:
    """Shares 1 : 1/2 : 1/3 : 1/4 of 21 left after one each: 10.08, 5.04, 3.36, 2.52 -> 10, 5, 3, 3."""
    assert SizeSkew(clients=4).sizes(25).tolist() == [11, 6, 4, 4]
    assert SizeSkew(clients=4, min_samples=6).sizes(25).tolist() == [7, 6, 6, 6]
    train = data((25, 0, 0, 0))
    first = {
        int(np.argmax([len(p) for p in SizeSkew(4).assign(train, seed)])) for seed in range(20)
    }
    assert first == {0, 1, 2, 3}  # the largest client is drawn, not always client 0


@pytest.mark.parametrize("over", ["group", "label"])
def test_dirichlet_alpha_goes_from_skewed_to_even(over: Any) -> None:
    def skew(alpha: float) -> float:
        table = group_table(Dirichlet(10, alpha, over).assign(TRAIN, 0), TRAIN)
        return float((table[:, 0] / table[:, 0].sum()).std())

    assert skew(0.3) > 3 * skew(30.0)
    sizes = [len(part) for part in Dirichlet(10, 1.0, over, min_samples=100).assign(TRAIN, 0)]
    assert min(sizes) >= 100


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
    shares = [
        float((group_table(Iid().assign(TRAIN, seed), TRAIN)[:, 2] > 0).mean())
        for seed in range(10)
    ]
    assert 0.38 < np.mean(shares) < 0.48


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
        (lambda: Iid(clients=0), "clients must be at least 1"),
        (
            lambda: Iid(clients=4796).assign(TRAIN, 0),
            "4796 clients cannot share 4795 samples: use at most",
        ),
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
        (lambda: Dirichlet(alpha=0.0), "alpha must be positive"),
        (lambda: Dirichlet(alpha=float("nan")), "alpha must be positive"),
        (lambda: Dirichlet(min_samples=0), "min_samples must be at least 1"),
        (lambda: SizeSkew(exponent=-1.0), "exponent must be at least 0"),
        (lambda: SizeSkew(min_samples=0), "min_samples must be at least 1"),
        (lambda: SizeSkew(clients=0), "clients must be at least 1"),
        (
            lambda: Pathological(clients=3, per_client=1).assign(TRAIN, 0),
            "cannot cover all 4.*at least 2",
        ),
        (lambda: FlwrDatasets(clients=0), "clients must be at least 1"),
        (lambda: FlwrDatasets(options={"num_partitions": 0}), "clients must be at least 1"),
        (lambda: FlwrDatasets(options={"alpha": {"a": 1}}), "plain values or lists"),
        (lambda: Lists().assign(TRAIN, 0), "needs a file"),
        (lambda: Dirichlet(alpha=0.001).assign(TRAIN, 0), "raise alpha"),
        (lambda: Dirichlet(min_samples=100).assign(TRAIN, 0), "need more than the 4795"),
        (lambda: Pathological(per_client=5).assign(TRAIN, 0), "per_client 5 exceeds the 4 groups"),
        (lambda: Pathological(clients=2, per_client=0), "per_client must be at least 1"),
    ],
)
def test_refusals(make: Any, words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        make()


def test_pathological_with_two_clients_deals_two_groups_to_each() -> None:
    table = group_table(Pathological(clients=2, per_client=2).assign(TRAIN, 0), TRAIN)
    assert ((table > 0).sum(1) == 2).all()


def test_pathological_clients_hold_few_groups() -> None:
    table = group_table(Pathological(per_client=2).assign(TRAIN, 0), TRAIN)
    assert ((table > 0).sum(1) == 2).all()


def test_validate_by_hand() -> None:
    good = [np.array([2, 0]), np.array([1])]
    assert [p.tolist() for p in validate(good, 3)] == [[0, 2], [1]]
    assert [p.tolist() for p in validate(good, 4, complete=False)] == [[0, 2], [1]]
    empty = np.array([], np.int64)
    for parts, samples, words in [
        ([[0, 1], [1, 2]], 3, "sample 1 is dealt to clients 0 and 1"),
        ([[0, 1, 1], [2]], 3, "client 0 lists sample 1 twice"),
        (good, 4, r"1 of 4 samples are dealt to no client \(the first is 3\)"),
        ([[5]], 3, r"client 0: positions 5..5 do not all exist.*0\.\.2"),
        ([[0, 1], [-1]], 3, "client 1: positions -1..-1 do not all exist"),
        ([[0, 1, 2], empty], 3, "client 1 of 2 got no samples.*fewer clients, more samples"),
        ([[0.0, 1.0]], 2, "whole numbers, got float64"),
        ([[True, False]], 2, "whole numbers, got bool"),
        ([[[0], [1]]], 2, "flat list"),
        ([], 2, "no clients"),
    ]:
        with pytest.raises(FedgroupError, match=words):
            validate([np.asarray(part) for part in parts], samples)


def test_group_table_and_hash_by_hand() -> None:
    train = data((3, 1, 1, 1))
    poison = np.zeros(6, np.bool_)
    poison[np.flatnonzero(train.group == 0)[0]] = True
    train = dataclasses.replace(train, poison=poison)
    parts = [np.flatnonzero(train.group == 0), np.flatnonzero(train.group > 0)]
    assert group_table(parts, train).tolist() == [[2, 0, 0, 0, 1], [0, 1, 1, 1, 0]]
    name = partition_hash(parts)
    assert len(name) == 12 and int(name, 16) >= 0
    assert name != partition_hash(parts[::-1])  # who holds what, not only which sets


def test_draws_do_not_change_between_versions() -> None:
    """Recorded from the code that made the published tables: a new hash here means runs must be redone."""
    recorded = {
        Iid(): "09e766dbd522",
        MinorityHolders(): "b718cf9d2ec8",
        MinorityHolders(balance="additive"): "1ae9477694e8",
        Dirichlet(alpha=1.0): "95697d6cb20d",
        Pathological(): "65614119eddc",
    }
    assert {s: partition_hash(s.assign(TRAIN, 0)) for s in recorded} == recorded


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_a_component_that_survives_its_spec(name: str) -> None:
    made = resolve(NAMES, name)()
    again = build(type(made), json.loads(json.dumps(to_dict(made))))
    assert again == made and hash(again) == hash(made)
    assert type(Task.from_json(Task(partition=made).to_json()).partition) is type(made)


def test_lists_from_a_file(tmp_path: Path) -> None:
    train = data((2, 2, 1, 1))
    path = tmp_path / "parts.json"
    path.write_text(json.dumps([[0, 3], [1, 2, 4, 5]]))
    assert [p.tolist() for p in Lists(str(path)).assign(train, 0)] == [[0, 3], [1, 2, 4, 5]]
    for text, words in [
        ("[[0, 1]]", "parts.json: 4 of 6 samples"),
        ('{"a": 1}', "JSON list of lists"),
        ("[[0, 'x']]", "JSON list of lists"),
        ("[]", "JSON list of lists"),
        ("[1, 2]", "client 0 is 1"),
        ("[[0, 1], [2, 3.5, 4, 5]]", "client 1 has 3.5"),
        ("[[0, true]]", "client 0 has True"),
        ("[[0, 1e3]]", "client 0 has 1000.0"),
        ("[[99999999999999999999]]", "client 0 has 9999"),
        ("[[0, -1]]", "do not all exist"),
    ]:
        path.write_text(text)
        with pytest.raises(FedgroupError, match=words):
            Lists(str(path)).assign(train, 0)
    with pytest.raises(FedgroupError, match="cannot read"):
        Lists(str(tmp_path / "none.json")).assign(train, 0)


def test_lists_from_numpy(tmp_path: Path) -> None:
    train = data((6, 2, 2, 2))
    parts = [
        np.array([0]),
        *(np.array([i]) for i in range(1, 11)),
        np.array([11]),
    ]  # arr_10 sorts before arr_2
    path = tmp_path / "parts.npz"
    np.savez(path, *parts)
    assert [p.tolist() for p in Lists(str(path)).assign(train, 0)] == [[i] for i in range(12)]
    np.savez(path, **{"1": np.arange(6), "0": np.arange(6, 12)})
    assert [p[0] for p in Lists(str(path)).assign(train, 0)] == [6, 0]
    np.savez(path, np.arange(5), np.arange(6, 12))
    with pytest.raises(FedgroupError, match="1 of 12 samples"):
        Lists(str(path)).assign(train, 0)
    assert len(Lists(str(path), complete=False).assign(train, 0)) == 2


def test_numpy_files_that_are_no_partition(tmp_path: Path) -> None:
    train = data((6, 2, 2, 2))
    path = tmp_path / "parts.npz"

    def refused(words: str) -> None:
        with pytest.raises(FedgroupError, match=words):
            Lists(str(path)).assign(train, 0)

    np.savez(path, arr_0=np.arange(6), arr_2=np.arange(6, 12))
    refused("arr_0, arr_1, .* found 0, 2")
    np.savez(path)
    refused("found none")
    np.savez(path, np.arange(12.0))
    refused("whole numbers, got float64")
    np.savez(path, np.array([{}], object), allow_pickle=True)
    refused("numpy.savez")
    path.write_bytes(b"")
    refused("numpy.savez")
    path.write_bytes(b"PK\x03\x04 cut off")
    refused("numpy.savez")
    with path.open("wb") as file:
        np.save(file, np.arange(12))
    refused("single array")


class StubPartitioner:
    """Deals row r to partition r % num_partitions; follows the interface of flwr-datasets."""

    def __init__(self, num_partitions: int, keep: int = 0, seed: int = 42, fail: str = "") -> None:
        if num_partitions == 13:
            raise ValueError("thirteen\nis unlucky")
        self.num_partitions, self.keep, self.seed, self.fail = num_partitions, keep, seed, fail
        self.dataset: dict[str, list[int]] = {}
        MADE.append(self)

    def load_partition(self, partition_id: int) -> dict[str, list[int]]:
        if self.fail:
            raise IndexError(self.fail)
        stop = self.keep or None
        return {k: v[partition_id : stop : self.num_partitions] for k, v in self.dataset.items()}


class StubNatural:
    """One partition per group, as NaturalIdPartitioner; takes no num_partitions."""

    dataset: dict[str, list[int]]

    def __init__(self, sizes: list[int] | None = None) -> None:
        assert sizes is None or isinstance(sizes, list)

    @property
    def num_partitions(self) -> int:
        return len(set(self.dataset["group"]))

    def load_partition(self, partition_id: int) -> dict[str, list[int]]:
        pairs = zip(self.dataset["index"], self.dataset["group"], strict=True)
        return {"index": [i for i, g in pairs if g == partition_id]}


MADE: list[StubPartitioner] = []
STUB = f"{__name__}:StubPartitioner"


@pytest.fixture
def stub_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the package `datasets`: a table is the mapping it was made from."""
    fake: Any = types.ModuleType("datasets")
    fake.Dataset = types.SimpleNamespace(from_dict=dict)
    monkeypatch.setitem(sys.modules, "datasets", fake)
    MADE.clear()


@pytest.mark.usefixtures("stub_datasets")
def test_adapter_hands_over_columns_and_reads_back_positions() -> None:
    train = data((5, 2, 2, 2))
    plain = FlwrDatasets(STUB, clients=3, shuffle=False)
    assert [p.tolist() for p in plain.assign(train, 0)] == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8]]
    assert MADE[-1].dataset == {
        "y": train.y.tolist(),
        "group": train.group.tolist(),
        "index": list(range(11)),
    }
    mixed = FlwrDatasets(STUB, clients=3)
    parts = mixed.assign(train, 0)
    assert sorted(np.concatenate(parts).tolist()) == list(range(11))
    columns = MADE[-1].dataset  # shuffled together: each row keeps its own y and group
    assert columns["group"] == train.group[columns["index"]].tolist() != train.group.tolist()
    assert partition_hash(parts) == partition_hash(mixed.assign(train, 0))
    assert partition_hash(parts) != partition_hash(mixed.assign(train, 1))


@pytest.mark.usefixtures("stub_datasets")
def test_adapter_seeds_the_partitioner_unless_told() -> None:
    train = data((5, 2, 2, 2))
    for seed in (0, 0, 1):
        FlwrDatasets(STUB, 3).assign(train, seed)
    FlwrDatasets(STUB, 3, {"seed": 7}).assign(train, 0)
    first, again, other, told = (stub.seed for stub in MADE)
    assert first == again != other and told == 7


@pytest.mark.usefixtures("stub_datasets")
def test_adapter_counts_its_clients() -> None:
    train = data((5, 2, 2, 2))
    scheme = FlwrDatasets(STUB, options={"num_partitions": 4})
    assert scheme.clients == len(scheme.assign(train, 0)) == 4
    natural = f"{__name__}:StubNatural"
    assert [len(p) for p in FlwrDatasets(natural, 4, {"sizes": [1, 2]}).assign(train, 0)] == [
        5,
        2,
        2,
        2,
    ]
    with pytest.raises(FedgroupError, match="made 4 partitions but clients is 9: set clients: 4"):
        FlwrDatasets(natural, 9).assign(train, 0)


@pytest.mark.usefixtures("stub_datasets")
@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        (
            FlwrDatasets(STUB, 3, {"keep": 8}),
            "3 of 11 samples are dealt to no client.*complete: false",
        ),
        (FlwrDatasets(STUB, 3, {"keep": 2}, complete=False), "client 2 of 3 got no samples"),
        (
            FlwrDatasets(STUB, 3, {"fail": "row\n5"}),
            r"cannot split this data \(IndexError: row 5\)",
        ),
        (FlwrDatasets(STUB, 3, {"wat": 5}), "refuses its options"),
        (FlwrDatasets(STUB, 13), "13 clients cannot share 11"),
        (FlwrDatasets("no_such_package:X", 3), "cannot load partitioner"),
        (FlwrDatasets(f"{__name__}:Absent", 3), "cannot load partitioner"),
        (FlwrDatasets(f"{__name__}:MADE", 3), "is not a class"),
        (FlwrDatasets("IidPartitioner", 3), "not an import path"),
        (FlwrDatasets(":X", 3), "not an import path"),
    ],
)
def test_adapter_refusals_are_one_line(scheme: FlwrDatasets, words: str) -> None:
    with pytest.raises(FedgroupError, match=words) as caught:
        scheme.assign(data((5, 2, 2, 2)), 0)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("stub_datasets")
def test_adapter_through_a_spec_with_lists_and_the_cache() -> None:
    values = {
        "use": "flwr_datasets",
        "partitioner": STUB,
        "clients": 3,
        "options": {"keep": 0, "fail": ""},
    }
    task = build(Task, {"data": "tests.toy:ToyData", "partition": values})
    assert len(assign_clients(task)) == 3
    pairs = build(Task, {"partition": {**values, "options": [["keep", 0], ["fail", ""]]}})
    assert pairs.partition == task.partition == Task.from_json(task.to_json()).partition
    sizes = FlwrDatasets(options={"partition_sizes": [5, 6]})
    assert hash(sizes) == hash(build(FlwrDatasets, json.loads(json.dumps(to_dict(sizes)))))


def test_adapter_names_the_missing_package(
    monkeypatch: pytest.MonkeyPatch, stub_datasets: None
) -> None:
    words = r"pip install 'fedgroup\[partitioners\]'"

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name.split(".")[0])

    monkeypatch.setattr("fedgroup.partitions.flwr_datasets.importlib.import_module", missing)
    with pytest.raises(FedgroupError, match=words):
        FlwrDatasets().assign(TRAIN, 0)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(FedgroupError, match=words):
        FlwrDatasets().assign(TRAIN, 0)


REAL = [
    ("Iid", 10, {}),
    ("Dirichlet", 10, {"partition_by": "group", "alpha": 1.0}),
    ("Dirichlet", 10, {"partition_by": "y", "alpha": [1.0] * 10, "self_balancing": True}),
    ("InnerDirichlet", 5, {"partition_sizes": [959] * 5, "partition_by": "group", "alpha": 1.0}),
    ("Pathological", 8, {"partition_by": "y", "num_classes_per_partition": 1}),
    ("Pathological", 10, {"partition_by": "group", "num_classes_per_partition": 2}),
    ("Shard", 10, {"partition_by": "group", "shard_size": 100, "keep_incomplete_shard": True}),
    ("Linear", 10, {}),
    ("Square", 10, {}),
    ("Exponential", 5, {}),
    ("Size", 2, {"partition_sizes": [4000, 795]}),
    ("NaturalId", 4, {"partition_by": "group"}),
    ("GroupedNaturalId", 2, {"partition_by": "group", "group_size": 2}),
    ("Continuous", 10, {"partition_by": "index", "strictness": 0.5}),
]


@pytest.mark.parametrize(("name", "clients", "options"), REAL, ids=lambda value: str(value)[:40])
def test_flwr_datasets_partitioners(name: str, clients: int, options: dict[str, Any]) -> None:
    pytest.importorskip("flwr_datasets")
    scheme = FlwrDatasets(f"flwr_datasets.partitioner:{name}Partitioner", clients, options)
    parts = scheme.assign(TRAIN, 0)
    assert len(parts) == clients
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(4795))
    assert partition_hash(parts) == partition_hash(scheme.assign(TRAIN, 0))
    if "NaturalId" not in name:  # who holds what is then a matter of the groups alone
        assert partition_hash(parts) != partition_hash(scheme.assign(TRAIN, 1))


def test_flwr_datasets_refusals() -> None:
    pytest.importorskip("flwr_datasets")
    where = "flwr_datasets.partitioner:"
    shards = {"partition_by": "group", "num_shards_per_partition": 2, "shard_size": 10}
    for name, clients, options, words in [
        (
            "SizePartitioner",
            2,
            {"partition_sizes": [4000, 700]},
            "95 of 4795 samples are dealt to no client",
        ),
        ("SizePartitioner", 2, {"partition_sizes": [4000, 7000]}, "cannot split this data"),
        ("LinearPartitioner", 1000, {}, "cannot split this data"),
        (
            "DirichletPartitioner",
            100,
            {"partition_by": "group", "alpha": 0.001},
            "cannot split this data",
        ),
        (
            "DirichletPartitioner",
            10,
            {"partition_by": "group", "alpha": -1.0},
            "refuses|cannot split",
        ),
        ("VerticalEvenPartitioner", 2, {}, "cannot split this data"),
        ("ShardPartitioner", 10, shards, "4595 of 4795 samples"),
        ("DirichletPartitioner", 10, {}, "refuses its options"),
        ("NoSuchPartitioner", 10, {}, "cannot load partitioner"),
    ]:
        with pytest.raises(FedgroupError, match=words):
            FlwrDatasets(where + name, clients, options).assign(TRAIN, 0)
    assert (
        len(FlwrDatasets(f"{where}ShardPartitioner", 10, shards, complete=False).assign(TRAIN, 0))
        == 10
    )
