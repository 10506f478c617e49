"""The trainer of centralized methods: what happens between epochs, evaluation, misuse and divergence."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedgroup.dataset import Splits
from fedgroup.errors import FedgroupError
from fedgroup.methods.central_run import centralise
from fedgroup.methods.central_trainer import Trainer
from fedgroup.methods.erm import ERM
from fedgroup.methods.jtt import JTT
from fedgroup.methods.method import Method
from fedgroup.runs.run_directory import read_lines
from fedgroup.train import TrainConfig
from tests.fedgroup.methods.runs import same_records, task


class Alive:
    """Which samples are left: what a method may carry from epoch to epoch."""

    def __init__(self, count: int) -> None:
        self.mask = np.ones(count, np.bool_)

    def state(self) -> dict[str, Any]:
        return {"alive": self.mask}

    def load(self, state: Any) -> None:
        self.mask = np.array(state["alive"])


@dataclass(frozen=True)
class Dropping(Method):
    """Drops three samples after every epoch, in the middle of the final training."""

    def run(self, splits: Splits, trainer: Trainer) -> None:
        alive = Alive(len(splits.train))
        steps = trainer.epochs(
            splits.train, draw=lambda rng: rng.permutation(np.flatnonzero(alive.mask)), state=alive
        )
        for step in steps:
            gone = np.zeros(len(alive.mask), np.bool_)
            gone[np.flatnonzero(alive.mask)[: 3 * step.number]] = True
            trainer.record("eliminate", step.number, gone, gone)
            alive.mask &= ~gone
            step.row["alive"] = int(alive.mask.sum())
            if step.number == STOP:
                raise KeyboardInterrupt


STOP = 0


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_a_method_that_acts_between_epochs_resumes_exactly(epoch: int, tmp_path: Path) -> None:
    whole = centralise(task(), Dropping(), tmp_path / "whole")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setitem(globals(), "STOP", epoch)
        centralise(task(), Dropping(), tmp_path / "cut")
    cut = centralise(task(), Dropping(), tmp_path / "cut")
    same_records(whole, cut)
    rows = read_lines(cut, "rounds")
    assert [row["samples"] for row in rows[1:]] == [84, 81, 75]
    assert [row["alive"] for row in rows[1:]] == [81, 75, 66]
    assert [line["step"] for line in read_lines(cut, "selections")] == [1, 2, 3]


def test_eval_every_keeps_the_last_epoch(tmp_path: Path) -> None:
    often = centralise(task(), ERM(), tmp_path)
    seldom = centralise(task(), ERM(eval_every=2), tmp_path)
    assert often != seldom
    rows = read_lines(seldom, "rounds")
    assert [row["round"] for row in rows if "test" in row] == [0, 2, 3]
    assert rows[3] == read_lines(often, "rounds")[3]


@dataclass(frozen=True)
class Idle(Method):
    def run(self, splits: Splits, trainer: Trainer) -> None:
        pass


@dataclass(frozen=True)
class Twice(Method):
    def run(self, splits: Splits, trainer: Trainer) -> None:
        trainer.train(splits.train)
        trainer.train(splits.train)


@dataclass(frozen=True)
class ShortMask(Method):
    def run(self, splits: Splits, trainer: Trainer) -> None:
        mask = np.zeros(3, np.bool_)
        trainer.record("amplify", 0, mask, mask)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (Idle(), "Idle.run ended without a final model.*trainer.train"),
        (Twice(), "one final model"),
        (ShortMask(), r"ShortMask.run recorded a selection \(3,\) bool, expected \(84,\) bool"),
    ],
)
def test_methods_that_misuse_the_trainer(method: Method, words: str, tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match=words):
        centralise(task(), method, tmp_path)


def test_diverged_training_is_one_clear_error(tmp_path: Path) -> None:
    wild = replace(task(), train=TrainConfig(epochs=8, batch_size=16, lr=0.05, weight_decay=1e30))
    with pytest.raises(
        FedgroupError, match="training diverged in epoch .* lower its learning rate"
    ):
        centralise(wild, ERM(), tmp_path)
    with pytest.raises(FedgroupError, match="identification model diverged in epoch"):
        centralise(wild, JTT(identify_epochs=6), tmp_path)
