"""Records to numbers: baselines that a table names, attacks that declare nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.report import make
from experiments.results.measurements import lines
from tests.experiments.finished_runs import TABLE, finish, table

COMPARED = TABLE.replace(
    "rows:", "baseline: {name: the clean run, set: {task: {inject: false}}}\nrows:"
)


def test_a_table_may_name_its_baseline(tmp_path: Path) -> None:
    made, results = table(tmp_path, "[0]", COMPARED), tmp_path / "results"
    row = made.rows[1]
    finish(row.experiments[0], results, [90.0, 80.0, 50.0, 90.0], 60.0)
    finish(row.baselines[0], results, [90.0, 80.0, 58.0, 90.0], 5.0)
    drops = lines(made, results, "final")[1].drops
    assert drops is not None
    assert (drops["wga"].spread.mean, drops["asr"].spread.mean) == (8.0, -55.0)
    report = make(made, results, "final")
    assert "positive = worse than the clean run" in report.notes[0]
    assert report.sentences[1].startswith("Of 1 row compared with the clean run, 1 lower")


@dataclass(frozen=True)
class Plain:
    """An attack that declares neither paired nor reference."""

    def poison(self, splits: Any, rng: np.random.Generator) -> Any:
        return splits

    def success(self, predict: Any, splits: Any, rng: np.random.Generator) -> Any:
        raise NotImplementedError


def test_an_attack_need_not_declare_paired_and_reference(tmp_path: Path) -> None:
    text = TABLE.replace(
        "{use: dlbd, fraction: 0.1, side: 2, gap: 0}",
        '"tests.experiments.results.test_measurements:Plain"',
    )
    made, results = table(tmp_path, "[0]", text), tmp_path / "results"
    run = made.rows[0].experiments[0]
    assert run.reference() is None
    finish(run, results, [90.0, 80.0, 60.0, 90.0], 40.0)
    assert lines(made, results, "final")[0].values["asr"] == [40.0]
    assert "ASR is the share" in " ".join(make(made, results, "final").notes)
