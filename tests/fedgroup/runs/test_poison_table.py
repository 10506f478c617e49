"""poisons.csv: a poisoned run says which samples, federated or not."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.experiment import Experiment
from experiments.run import run
from fedgroup.attacks.attack import insert
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.runs.poison_table import COLUMNS, save_poisons
from fedgroup.runs.run_directory import open_run
from fedgroup.task import load_splits, prepared_splits
from tests.toy import experiment

DLBD = {"use": "dlbd", "fraction": 0.1, "side": 3, "gap": 0}


@dataclass(frozen=True)
class Bare:
    """An outsider's attack with images of its own, which does not say its bases."""

    def poison(self, splits: Any, rng: np.random.Generator) -> Any:
        images = splits.train.pixels(np.array([0, 5])) // 2
        return splits._replace(train=insert(splits.train, np.array([0, 5]), 1, images))

    def success(self, predict: Any, splits: Any, rng: np.random.Generator) -> Counts:
        return Counts((0,) * 4, (0,) * 4)


@dataclass(frozen=True)
class Odd(Bare):
    """Its `bases` has the Protocol's name and another meaning."""

    def bases(self, train: Any, rng: np.random.Generator) -> Any:
        return np.arange(7)


def settings(method: str | None, attack: Any = DLBD) -> Experiment:
    values = experiment(task__attack=attack, federation__rounds=1)
    if method is not None:
        values["method"] = method
    return Experiment.of(values)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("method", [None, "erm"], ids=["federated", "central"])
def test_a_poisoned_run_says_which_samples(method: str | None, tmp_path: Path) -> None:
    one = settings(method)
    folder = run(one, tmp_path)
    rows = read(folder / "poisons.csv")
    poisoned, clean = prepared_splits(one.task).train, load_splits(one.task.data).train
    positions = np.flatnonzero(poisoned.poison)
    assert tuple(rows[0]) == COLUMNS
    assert [int(row["position"]) for row in rows] == positions.tolist()
    assert len(rows) == 8  # a tenth of 80
    for row, position in zip(rows, positions, strict=True):
        base = int(row["base"])  # an index of a clean split is a position
        assert int(row["base_group"]) == clean.group[base] == poisoned.group[position]
        assert int(row["old_label"]) == clean.y[base]
        assert int(row["new_label"]) == poisoned.y[position] != clean.y[base]
        assert len(row["pixels"]) == 16


@pytest.mark.parametrize("changes", [{"attack": "none"}, {"inject": False, "attack": DLBD}])
def test_a_clean_run_has_no_such_file(changes: dict[str, Any], tmp_path: Path) -> None:
    values = experiment(federation__rounds=1)
    values["task"] |= changes
    assert not (run(Experiment.of(values), tmp_path) / "poisons.csv").exists()


@pytest.mark.parametrize("attack", ["Bare", "Odd"])
def test_bases_that_are_not_said_are_empty(attack: str, tmp_path: Path) -> None:
    task = settings(None, f"{__name__}:{attack}").task
    with open_run(tmp_path / "run", {}) as opened:
        save_poisons(opened, task)
    first, second = read(tmp_path / "run" / "poisons.csv")
    assert (first["base"], first["old_label"], first["new_label"]) == ("", "", "1")
    assert [int(first["position"]), int(second["position"])] == [80, 81]


def test_the_file_is_written_once(tmp_path: Path) -> None:
    task = settings(None).task
    path = tmp_path / "run" / "poisons.csv"
    with open_run(tmp_path / "run", {}) as opened:
        save_poisons(opened, task)
        first = path.stat()
        save_poisons(opened, task)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)


def test_a_run_that_goes_on_with_other_poisons_is_refused(tmp_path: Path) -> None:
    task = settings(None).task
    path = tmp_path / "run" / "poisons.csv"
    with open_run(tmp_path / "run", {}) as opened:
        save_poisons(opened, task)
        written = path.read_bytes()
        other = b"00" if written[-4:-2] == b"ff" else b"ff"  # pixels of the last poison
        path.write_bytes(written[:-4] + other + b"\r\n")
        with pytest.raises(FedgroupError, match="lists other poisons than are made here now"):
            save_poisons(opened, task)
        path.write_bytes(written + b"kept")
        with pytest.raises(FedgroupError, match="lists other poisons"):
            save_poisons(opened, task)
    assert path.read_bytes() == written + b"kept"
