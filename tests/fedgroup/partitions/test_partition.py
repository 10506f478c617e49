"""What the partitions have in common, and the checks that they share."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from fedgroup.partitions import NAMES
from fedgroup.partitions.iid import Iid
from fedgroup.partitions.minority_holders import MinorityHolders
from fedgroup.partitions.partition import group_table, partition_hash, validate
from fedgroup.partitions.skew import Dirichlet, Pathological, SizeSkew
from fedgroup.spec import build, resolve, to_dict
from fedgroup.task import Task
from tests.fedgroup.partitions.samples import TRAIN, data

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
