"""How a launch follows its runs through their record files."""

import json
from pathlib import Path
from typing import Any

import pytest

from experiments.experiment import Experiment
from experiments.launch import scheduler
from experiments.launch.scheduler import Watched, look
from tests.toy import experiment


def watched(tmp_path: Path) -> tuple[Watched, Path]:
    exp = Experiment.of(experiment())
    folder = tmp_path / exp.id
    folder.mkdir()
    return Watched(exp, "toy"), folder


def line(number: int, **more: Any) -> str:
    return json.dumps({"round": number, **more}) + "\n"


def test_a_partly_written_last_line_is_left_for_the_next_look(tmp_path: Path) -> None:
    run, folder = watched(tmp_path)
    look(run, tmp_path)
    assert (run.done, run.last, run.timing) == (0, None, None)
    rounds, timing = folder / "rounds.jsonl", folder / "timing.jsonl"
    rounds.write_text(line(0, test=1) + line(1) + line(2)[:5])
    look(run, tmp_path)
    assert (run.done, run.last, run.timing) == (1, {"round": 0, "test": 1}, None)
    rounds.write_text(line(0, test=1) + line(1) + line(2))
    look(run, tmp_path)
    assert run.done == 2
    timing.write_text(line(2, train=3.0))  # written after the rounds: it counts without a new round
    look(run, tmp_path)
    assert run.timing == {"round": 2, "train": 3.0}
    rounds.write_text(line(0, test=1) + line(1, test=2))  # a resumed run cuts its records back
    look(run, tmp_path)
    assert (run.done, run.last) == (1, {"round": 1, "test": 2})
    (folder / "spec.json").write_text(json.dumps(run.experiment.spec()))
    (folder / "result.json").write_text("{}")
    look(run, tmp_path)
    assert run.state == "failed" and "result.json: selection: field required" in run.reason


def test_files_that_did_not_grow_are_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, folder = watched(tmp_path)
    (folder / "rounds.jsonl").write_text(line(0))
    read: list[str] = []

    def counted(where: Path, name: str) -> list[dict[str, Any]]:
        read.append(name)
        return launch_read(where, name)

    launch_read = scheduler.read_lines
    monkeypatch.setattr(scheduler, "read_lines", counted)
    for _ in range(3):
        look(run, tmp_path)
    assert read == ["rounds", "timing"]
