"""Options of wrapped classes: a mapping or pairs in, hashable pairs kept, keyword arguments out."""

import json
from typing import Any

import pytest

from fedgroup.errors import FedgroupError
from fedgroup.identity.settings_id import settings_id
from fedgroup.partitions.flwr_datasets import FlwrDatasets
from fedgroup.settings.options import freeze, thaw
from fedgroup.spec import build, to_dict
from fedgroup.task import Task


def test_a_mapping_is_sorted_and_pairs_keep_their_order() -> None:
    assert freeze({"b": 1, "a": [1, [2, 3]]}) == (("a", (1, (2, 3))), ("b", 1))
    assert freeze((("b", 1), ("a", [2]))) == (("b", 1), ("a", (2,)))
    assert freeze({}) == freeze(()) == ()


def test_thaw_gives_keyword_arguments_with_lists() -> None:
    assert thaw(freeze({"sizes": [1, [2]], "alpha": 0.5})) == {"sizes": [1, [2]], "alpha": 0.5}
    assert thaw((("a", 1), ("a", 2))) == {"a": 2}


def test_a_mapping_as_a_value_is_refused() -> None:
    with pytest.raises(FedgroupError, match="options must be plain values or lists, got alpha"):
        freeze({"alpha": {"a": 1}})


@pytest.mark.parametrize("options", [{"b": 1, "a": [1, 2]}, [["b", 1], ["a", [1, 2]]]])
def test_both_forms_are_one_run_and_are_stored_as_pairs(options: Any) -> None:
    task = build(Task, {"partition": {"use": "flwr_datasets", "options": options}})
    assert settings_id({"task": task}) == "cb3c456d7050"  # as in runs of earlier versions
    stored = json.loads(json.dumps(to_dict(task)))["partition"]
    assert stored["options"] == [["a", [1, 2]], ["b", 1]]
    assert build(Task, {"partition": stored}) == task
    assert isinstance(hash(task.partition), int)
    assert isinstance(task.partition, FlwrDatasets)


def test_one_name_twice_is_refused() -> None:
    with pytest.raises(FedgroupError, match="options name 'alpha' twice: keep one"):
        freeze((("alpha", 1), ("alpha", 2)))
