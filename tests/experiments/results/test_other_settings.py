"""`report` without a finished run says which options would find finished runs of other settings."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.experiment import Experiment
from experiments.report.notes import finished_runs
from experiments.results.other_settings import other_settings
from experiments.tables.load import load
from experiments.tables.table import Table
from fedgroup.errors import FedgroupError

TEXT = """
title: t
base: {task: {data: tests.toy:ToyData, model: tests.toy:ToyModel}, federation: {rounds: 3}}
rows:
  - {label: {M: mean}, set: {}}
  - {label: {M: median}, set: {federation: {aggregator: median}}}
"""


def table(folder: Path, *assignments: str, seeds: tuple[int, ...] = (0,)) -> Table:
    path = folder / "mine.yaml"
    path.write_text(TEXT)
    return load(str(path), seeds=seeds, assignments=assignments)


def finish(experiment: Experiment, results: Path, spec: Any = None) -> None:
    folder = results / experiment.id
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(spec or experiment.to_dict()))
    (folder / "result.json").write_text("{}")


@pytest.mark.parametrize(
    ("assignments", "options"),
    [
        (("federation.rounds=2",), "--set federation.rounds=2"),
        (
            ("task.data.scale=2", "task.train.lr=0.5"),
            "--set task.data.scale=2 --set task.train.lr=0.5",
        ),
        (("task.attack={use: dlbd, fraction: 0.02}",), "--set task.attack=dlbd"),
        (("task.partition.clients=20",), "--set task.partition.clients=20"),
    ],
)
def test_the_assignments_to_repeat_are_named(
    assignments: tuple[str, ...], options: str, tmp_path: Path
) -> None:
    for experiment in table(tmp_path, *assignments).experiments():
        finish(experiment, tmp_path / "results")
    found = other_settings(table(tmp_path), tmp_path / "results")
    assert found.startswith("2 finished runs of other settings are there: repeat ")
    assert options in found
    again = [word.strip("'") for word in found.partition("--set ")[2].split(" --set ")]
    wanted = {run.id for run in table(tmp_path, *assignments).experiments()}
    assert {run.id for run in table(tmp_path, *again).experiments()} == wanted


def test_other_seeds_are_named(tmp_path: Path) -> None:
    for experiment in table(tmp_path, seeds=(3, 5)).experiments():
        finish(experiment, tmp_path)
    assert other_settings(table(tmp_path), tmp_path).endswith("repeat --seeds 3,5")


def test_nothing_is_said_where_nothing_fits(tmp_path: Path) -> None:
    assert other_settings(table(tmp_path), tmp_path / "nowhere") == ""
    first = table(tmp_path).experiments()[0]
    finish(first, tmp_path, spec={"task": {f"x{n}": n for n in range(9)}})
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "spec.json").write_text("{")
    (tmp_path / "broken" / "result.json").write_text("{}")
    assert other_settings(table(tmp_path), tmp_path) == ""


def test_the_report_says_it(tmp_path: Path) -> None:
    mine = table(tmp_path)
    with pytest.raises(FedgroupError, match="is finished: start with `fedgroup run mine`"):
        finished_runs(mine, tmp_path)
    for experiment in table(tmp_path, "federation.rounds=2").experiments():
        finish(experiment, tmp_path)
    with pytest.raises(
        FedgroupError,
        match=r"no run of table mine is finished with these settings; 2 finished runs of other "
        r"settings are there: repeat --set federation\.rounds=2$",
    ):
        finished_runs(replace(mine), tmp_path)
