"""Tables of runs written by hand, for the tests of the report."""

from pathlib import Path

import pytest

from experiments import figures
from experiments.tables.table import Table
from tests.experiments.finished_runs import finish, table

FEDAVG = ([90.0, 80.0, 60.0, 90.0], [90.0, 80.0, 62.0, 90.0], [90.0, 80.0, 64.0, 90.0])
MEDIAN = ([90.0, 79.0, 50.0, 90.0], [90.0, 80.0, 51.0, 90.0], [90.0, 78.0, 55.0, 90.0])
CLIPPED = ([90.0, 80.0, 61.0, 90.0], [90.0, 80.0, 61.0, 90.0], [90.0, 80.0, 64.5, 90.0])

SEVERAL = """
title: Several
columns: [wga, asr, idnf poisons, idnf LRG-1]
base:
  task: {data: "tests.toy:ToyData", model: "tests.toy:ToyModel", attack: {use: dlbd, fraction: 0.1, side: 2, gap: 0}}
rows:
  - {label: {METHOD: JTT, CASE: A}, set: {method: jtt, task: {train: {epochs: 5}}}}
  - {label: {METHOD: JTT, CASE: B}, set: {method: {use: jtt, upsample: 3}, task: {train: {epochs: 5}}}}
  - {label: {METHOD: GEORGE, CASE: A}, set: {method: george, task: {train: {epochs: 12}, attack_seed: 7}}}
seeds: SEEDS
"""


def full(folder: Path, seeds: str = "[0, 1, 2]") -> tuple[Table, Path]:
    """All rows finished. Median: WGA drops 10, 11, 9; ASR drops 30, 31, 29. The third row: -1, 1, -0.5; 1, -2, 2."""
    made, results = table(folder, seeds), folder / "results"
    attack = ([70.0, 71.0, 72.0], [40.0, 40.0, 43.0], [69.0, 73.0, 70.0])
    for row, groups, rates in zip(made.rows, (FEDAVG, MEDIAN, CLIPPED), attack, strict=True):
        for experiment, values, rate in zip(row.experiments, groups, rates, strict=False):
            finish(experiment, results, values, rate, minority_influence=0.5)
    return made, results


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Draw these figures alone: drawing is what takes time."""
    kept = {name: figure for name, figure in figures.FIGURES.items() if name in names}
    monkeypatch.setattr(figures, "FIGURES", kept)
