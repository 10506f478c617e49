"""TensorBoard events come from the records, each round once."""

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from experiments.experiment import Experiment
from experiments.launch.scheduler import Watched, look
from experiments.launch.tensorboard import Board, scalars
from experiments.run import run
from fedgroup.errors import FedgroupError
from tests.toy import experiment

WRITTEN: list[tuple[str, str, float, int]] = []


class Writer:
    """Stands for torch's SummaryWriter, which needs the tensorboard package."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def add_text(self, *_: Any) -> None:
        pass

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        WRITTEN.append((Path(self.folder).name, tag, value, step))

    def flush(self) -> None:
        pass


def test_every_round_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    exp = Experiment.of(experiment(federation__rounds=2))
    run(exp, tmp_path)
    watched = Watched(exp, "toy")
    look(watched, tmp_path)
    board = Board(tmp_path / "board", tmp_path)
    board([watched])
    first = len(WRITTEN)
    board([watched])
    assert len(WRITTEN) == first
    (tmp_path / exp.id / "timing.jsonl").write_text("[1]\n")
    Board(tmp_path / "board", tmp_path)([watched])  # damaged times stop no launch
    del WRITTEN[first:]
    assert {name for name, *_ in WRITTEN} == {exp.id}
    assert sorted(step for _, tag, _, step in WRITTEN if tag == "test/WGA") == [0, 1, 2]
    assert {"seconds/train", "seconds/evaluate", "round/loss", "val/group 2"} <= {
        tag for _, tag, *_ in WRITTEN
    }


def test_numbers_of_a_line_by_hand() -> None:
    row = {
        "round": 3,
        "loss": 0.25,
        "test": {"correct": [3, 1], "total": [4, 4]},
        "step_norm": None,
    }
    assert scalars(row) == {
        "test/WGA": 25.0,
        "test/ACC": 50.0,
        "test/group 0": 75.0,
        "test/group 1": 25.0,
        "round/loss": 0.25,
    }


def test_without_the_package_the_error_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(FedgroupError, match=r"pip install 'fedgroup\[tensorboard\]'"):
        Board(tmp_path, tmp_path)
