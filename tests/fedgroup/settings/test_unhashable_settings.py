"""Lists, mappings, sets and paths as settings of a user's component: caches, ids, labels, runs."""

from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

import numpy as np
import pytest

from experiments.experiment import Experiment
from experiments.run import run
from experiments.tables.extra_rows import component_title
from experiments.tables.load import load
from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.spec import build, to_dict
from fedgroup.storage import read_json
from fedgroup.task import Task, assign_clients, load_splits
from strategies.rules.fedavg import FedAvg
from tests.toy import ToyData, ToyModel, experiment

HERE = "tests.fedgroup.settings.test_unhashable_settings"


class Mode(Enum):
    FAST = "fast"
    SLOW = "slow"


@dataclass(frozen=True)
class ListedData(ToyData):
    """The toy's pictures, with settings that have no hash."""

    sizes: list[int] = field(default_factory=lambda: [1, 2])
    weights: dict[str, list[float]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    mode: Mode = Mode.FAST
    home: Path | None = None


@dataclass(frozen=True)
class ListedModel(ToyModel):
    """The toy's model with a list."""

    widths: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class ListedRule(FedAvg):
    """FedAvg with a mapping."""

    notes: dict[str, list[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class ListedPartition:
    """Clients in turn."""

    shares: list[int] = field(default_factory=lambda: [1, 1, 1, 1])

    def assign(self, train: GroupedDataset, seed: int) -> list[Ints]:
        clients = len(self.shares)
        return [np.arange(client, len(train), clients) for client in range(clients)]


SETTINGS = {
    "task__data": {"use": f"{HERE}:ListedData", "sizes": [3], "weights": {"a": [0.5]}},
    "task__model": {"use": f"{HERE}:ListedModel", "widths": [4, 4]},
    "task__partition": {"use": f"{HERE}:ListedPartition"},
    "federation__aggregator": {"use": f"{HERE}:ListedRule", "notes": {"x": [1]}},
}


def test_a_run_with_lists_and_mappings_ends_and_its_spec_builds_it_again(tmp_path: Path) -> None:
    exp = Experiment.of(experiment(**SETTINGS, federation__rounds=1, federation__fraction=1.0))
    folder = run(exp, tmp_path)
    spec = read_json(folder / "spec.json")
    again = Experiment.of({part: spec[part] for part in ("task", "federation")})
    assert again.id == exp.id == folder.name
    assert again.task.data.sizes == [3]  # type: ignore[attr-defined]


def test_caches_tell_settings_apart() -> None:
    one, two = ListedData(sizes=[1]), ListedData(sizes=[2])
    assert load_splits(one) is load_splits(ListedData(sizes=[1]))
    assert load_splits(one) is not load_splits(two)
    task = Task(one, partition=ListedPartition([1, 1]))
    assert len(assign_clients(task)) == 2
    assert len(assign_clients(replace(task, partition=ListedPartition([1, 1, 1])))) == 3


def test_settings_are_written_as_json_and_read_back() -> None:
    values = {
        "sizes": [9],
        "weights": {"b": [1.0], "a": []},
        "names": ["y", "x"],
        "mode": "slow",
        "home": "some/place",
    }
    data = build(ListedData, values)
    assert (data.names, data.mode, data.home) == ({"x", "y"}, Mode.SLOW, Path("some/place"))
    written = to_dict(data)
    assert written["names"] == ["x", "y"] and written["home"] == "some/place"
    assert build(ListedData, written) == data


def test_they_vary_in_a_table_with_ids_and_labels_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"base: {{task: {{data: '{HERE}:ListedData', model: tests.toy:ToyModel}}}}\n"
        "rows: [{label: {M: mean}, set: {}}]\n"
        "vary:\n"
        "  - {label: {S: one}, set: {task: {data: {sizes: [1], weights: {a: [1.0]}}}}}\n"
        "  - {label: {S: two}, set: {task: {data: {sizes: [1], weights: {a: [2.0]}}}}}\n"
    )
    rows = load(str(path)).rows
    assert [row.label["S"] for row in rows] == ["one", "two"]
    assert rows[0].experiments[0].id != rows[1].experiments[0].id
    swapped = load(str(path), assignments=["task.data.sizes=[1]"]).rows
    assert [row.experiments[0].id for row in swapped] == [row.experiments[0].id for row in rows]
    rule = f"{{use: '{HERE}:ListedRule', notes: {{x: [1, 2]}}}}"
    added = load(str(path), rules=[rule]).rows[-1]
    assert added.label["M"] == "ListedRule (notes={'x': [1, 2]})"
    assert component_title(ListedRule()) == "ListedRule"


@pytest.mark.parametrize(("one", "two"), [([1, 2], [2, 1]), ([1], [1.0]), ([], [0])])
def test_other_lists_are_other_ids(one: list[int], two: list[int]) -> None:
    ids = {Experiment(Task(ListedData(sizes=sizes))).id for sizes in (one, two)}
    assert len(ids) == 2
    mapping = {"a": [1.0], "b": [2.0]}
    turned = dict(reversed(mapping.items()))
    same = {Experiment(Task(ListedData(weights=weights))).id for weights in (mapping, turned)}
    assert len(same) == 1
