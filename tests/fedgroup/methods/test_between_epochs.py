"""What a method may do between the epochs of its final model, and what its state must be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedgroup.dataset import Splits
from fedgroup.errors import FedgroupError
from fedgroup.methods.central_run import centralise
from fedgroup.methods.central_trainer import Step, Trainer
from fedgroup.methods.erm import ERM
from fedgroup.runs.run_directory import read_lines
from tests.fedgroup.methods.runs import task
from tests.strategies.server.test_odd_models import odd


def scale(step: Step, trainer: Trainer) -> None:
    with torch.no_grad():
        for parameter in step.model.parameters():
            parameter.mul_(2)


def line(step: Step, trainer: Trainer) -> None:
    step.row["score"] = np.float32(1)


def facts(step: Step, trainer: Trainer) -> None:
    found = np.zeros(len(trainer.splits.train), bool)
    trainer.record("amplify", step.number, found, found, facts={"mean": float("nan")})


def ints(step: Step, trainer: Trainer) -> None:
    found: Any = np.zeros(len(trainer.splits.train), np.int64)
    trainer.record("amplify", step.number, found, found)


def label(step: Step, trainer: Trainer) -> None:
    trainer.splits.train.y[0] = 1


def threads(step: Step, trainer: Trainer) -> None:
    torch.set_num_threads(2)
    torch.manual_seed(step.number)
    np.seterr(all="raise")


def fail(step: Step, trainer: Trainer) -> None:
    raise RuntimeError("no such luck")


ACTS: dict[str, Callable[[Step, Trainer], None]] = {
    f.__name__: f for f in (scale, line, facts, ints, label, threads, fail)
}


@dataclass(frozen=True)
class Acting:
    """Does one of the above after every epoch."""

    how: str = "threads"

    def run(self, splits: Splits, trainer: Trainer) -> None:
        for step in trainer.epochs(splits.train):
            ACTS[self.how](step, trainer)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("scale", "Acting.run changed the model's parameters after epoch 1"),
        ("line", "Acting.run gave 'score' as .*, which rounds.jsonl cannot hold"),
        ("facts", "Acting.run gave 'mean' as float, which selections.jsonl cannot hold"),
        ("ints", r"Acting.run recorded a selection \(84,\) int64, expected \(84,\) bool"),
        ("label", "Acting.run writes into an array that it was given"),
        ("fail", r"Acting.run raised RuntimeError: no such luck \(.*test_between_epochs.py"),
    ],
)
def test_a_method_that_does_more_is_refused_by_name(how: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match=words):
        centralise(task(), Acting(how), tmp_path)


def test_what_it_changes_around_itself_changes_no_number(tmp_path: Path) -> None:
    one = centralise(task(), Acting(), tmp_path)
    plain = centralise(task(), ERM(), tmp_path)
    assert torch.get_num_threads() == 1
    assert np.geterr()["over"] != "raise"
    assert read_lines(one, "rounds") == read_lines(plain, "rounds")


class Loose:
    """A state that no checkpoint can hold."""

    def state(self) -> Mapping[str, Any]:
        return {"queue": [1, 2]}

    def load(self, state: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True)
class Keeping:
    """Carries a list."""

    def run(self, splits: Splits, trainer: Trainer) -> None:
        trainer.train(splits.train, state=Loose())


def test_state_that_a_checkpoint_cannot_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match="Loose.state returned state 'queue' as list, which a"):
        centralise(task(), Keeping(), tmp_path)


@pytest.mark.parametrize("model", ["OddModel", "DrawingModel"])
def test_a_stopped_centralized_run_draws_the_same(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = odd(model, task__train__epochs=3).task
    whole = centralise(only, ERM(), tmp_path / "whole")

    def stop(step: Step, trainer: Trainer) -> None:
        if step.number == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(ERM, "run", lambda self, splits, trainer: Acting.run(self, splits, trainer))
    monkeypatch.setattr(ERM, "how", "stop", raising=False)
    monkeypatch.setitem(ACTS, "stop", stop)
    with pytest.raises(KeyboardInterrupt):
        centralise(only, ERM(), tmp_path / "stopped")
    monkeypatch.undo()
    torch.seed()
    stopped = centralise(only, ERM(), tmp_path / "stopped")
    for name in ("rounds.jsonl", "result.json"):
        assert (whole / name).read_bytes() == (stopped / name).read_bytes()


def test_a_frozen_part_that_moves_ends_a_centralized_run(tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match="TeacherNet changed its frozen parameter"):
        centralise(odd("TeacherModel").task, ERM(), tmp_path)
