"""Who is heard: the influence of minority holders in the records."""

from pathlib import Path
from typing import Any

import pytest

from experiments.run import run
from fedgroup.runs.run_directory import read_lines
from fedgroup.storage import read_json
from tests.strategies.server.runs import (
    make,
)


def test_minority_influence_is_recorded_and_shrinks_under_the_median(tmp_path: Path) -> None:
    """With holders of all minority data among few clients, the median hears them less than the mean does."""
    changes: dict[str, Any] = {
        "task__data": {"use": "tests.toy:ToyData", "scale": 4},
        "task__partition": {"use": "minority_holders", "clients": 8, "holder_fraction": 0.25},
        "task__train__epochs": 5,
        "federation__fraction": 1.0,
    }
    folders = {
        rule: run(make(federation__aggregator=rule, **changes), tmp_path)
        for rule in ("fedavg", "median")
    }
    for folder in folders.values():
        for row in read_lines(folder, "rounds")[1:]:
            shares = [
                c["influence"] for c in read_lines(folder, "clients") if c["round"] == row["round"]
            ]
            assert sum(shares) == pytest.approx(1.0)
    mean = read_json(folders["fedavg"] / "result.json")["minority_influence"]
    median = read_json(folders["median"] / "result.json")["minority_influence"]
    assert mean == pytest.approx(1.0)
    assert median < 0.8
