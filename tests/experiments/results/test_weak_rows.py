"""Runs on data that lack something, from training to the footnote."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.report import make
from experiments.run import run
from fedgroup.dataset import Splits
from fedgroup.storage import read_json
from tests.experiments.finished_runs import table
from tests.toy import ToyData

LOPSIDED = """
title: Lopsided
base:
  task: {data: "tests.experiments.results.test_weak_rows:DATA", model: "tests.toy:ToyModel", partition: {use: iid, clients: 4}, train: {epochs: 1, batch_size: 8}}
  federation: {rounds: 1, fraction: 0.5}
rows:
  - {label: {METHOD: FedAvg}, set: {}}
seeds: [0]
"""


@dataclass(frozen=True)
class NoGroup:
    """The toy data without group b0 in the test split."""

    def load(self) -> Splits:
        train, val, test = ToyData().load()
        return Splits(train, val, test.take(np.flatnonzero(test.group != 2)))


@dataclass(frozen=True)
class OneClass:
    """The toy data with class a alone in the test split."""

    def load(self) -> Splits:
        train, val, test = ToyData().load()
        return Splits(train, val, test.take(np.flatnonzero(test.y == 0)))


def reported(data: str, folder: Path) -> list[str]:
    """Notes of the report of a run on these data."""
    made = table(folder, text=LOPSIDED.replace("DATA", data), name="lopsided")
    (experiment,) = made.experiments()
    run(experiment, folder / "results")
    flags = read_json(folder / "results" / experiment.id / "result.json")["flags"]
    assert "b0" in flags["empty_groups"]["test"]
    return list(make(made, folder / "results", "final").notes)


def test_a_group_that_the_test_split_has_not_is_a_footnote(tmp_path: Path) -> None:
    notes = reported("NoGroup", tmp_path)
    assert notes[2].startswith("[a] No test sample of b0: WGA is that of the other groups")


def test_a_test_split_of_one_class_is_a_footnote(tmp_path: Path) -> None:
    notes = reported("OneClass", tmp_path)
    assert notes[2].startswith("[a] No test sample of b0 and b1: WGA is that of the other groups")
    assert notes[3].startswith("[b] No test sample of class b")
