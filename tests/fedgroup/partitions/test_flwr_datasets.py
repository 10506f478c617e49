import json
import sys
import types
from typing import Any

import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from fedgroup.partitions.flwr_datasets import FlwrDatasets
from fedgroup.partitions.partition import partition_hash
from fedgroup.spec import build, to_dict
from fedgroup.task import Task, assign_clients
from tests.fedgroup.partitions.samples import TRAIN, data


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

    monkeypatch.setattr("fedgroup.spec.importlib.import_module", missing)
    with pytest.raises(FedgroupError, match=words):
        FlwrDatasets().assign(TRAIN, 0)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(FedgroupError, match=words):
        FlwrDatasets().assign(TRAIN, 0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FlwrDatasets(clients=0), "clients must be at least 1"),
        (lambda: FlwrDatasets(options={"num_partitions": 0}), "clients must be at least 1"),
        (lambda: FlwrDatasets(options={"alpha": {"a": 1}}), "plain values or lists"),
    ],
)
def test_refusals(make: Any, words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        make()


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
