"""Whole centralized runs: the record, resuming, the seeds, bad input."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedgroup.attacks.backdoor import Backdoor
from fedgroup.dataset import Splits
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.layout import Weights, read, write
from fedgroup.methods import NAMES
from fedgroup.methods.central_run import Central, central_id, centralise
from fedgroup.methods.central_trainer import Trainer
from fedgroup.methods.erm import ERM
from fedgroup.methods.jtt import JTT
from fedgroup.methods.method import Method
from fedgroup.predict import predict
from fedgroup.runs.run_directory import open_run, read_lines
from fedgroup.seeding import rng
from fedgroup.spec import build, resolve, to_dict
from fedgroup.storage import read_json
from fedgroup.task import Task, prepared_splits
from fedgroup.train import TrainConfig, fit
from tests.fedgroup.methods.runs import METHODS, arrays, same_records, task
from tests.paths import ROOT


def test_a_run_is_recorded_like_a_federated_one(tmp_path: Path) -> None:
    folder = centralise(task(), ERM(), tmp_path)
    rows, result = read_lines(folder, "rounds"), read_json(folder / "result.json")
    assert folder.name == central_id(task(), ERM())
    assert read_json(folder / "spec.json")["method"] == {"use": "erm", "eval_every": 1}
    assert [row["round"] for row in rows] == [0, 1, 2, 3]
    assert set(rows[0]) == {"round", "val", "test", "attack"}
    assert set(rows[1]) == {"round", "loss", "samples", "val", "test", "attack"}
    assert rows[1]["samples"] == len(prepared_splits(task()).train) == 84
    assert sum(rows[1]["test"]["total"]) == 40
    assert [row["round"] for row in read_lines(folder, "timing")] == [0, 1, 2, 3]
    assert read_lines(folder, "clients") == read_lines(folder, "selections") == []
    assert result["rounds"] == 3
    assert result["idnf"] is None
    assert set(result["selection"]) == {"best_val_wga", "final", "last10"}
    assert {"wga", "acc", "acc_adjusted", "asr", "groups"} <= set(result["selection"]["final"])


def test_erm_is_one_call_of_fit(tmp_path: Path) -> None:
    """With a generator of each epoch's own: fit() called once per epoch would lose the momentum."""
    config = TrainConfig(epochs=1, batch_size=16, lr=0.05)
    only = replace(task(), train=config)
    folder = centralise(only, ERM(), tmp_path)
    model = only.model.build(2, only.seed)
    fit(model, prepared_splits(only).train, config, rng(only.seed, "central", "final", 1))
    for name, array in read(model).arrays().items():
        assert np.array_equal(array, arrays(folder, "checkpoint")[name]), name
    test = prepared_splits(only).test
    found = Counts.of(predict(model, test), test.y, test.group, 4)
    assert read_lines(folder, "rounds")[1]["test"]["correct"] == list(found.correct)


def test_best_npz_is_the_epoch_of_highest_validation_wga(tmp_path: Path) -> None:
    folder = centralise(task(), ERM(), tmp_path)
    chosen = read_json(folder / "result.json")["selection"]["best_val_wga"]
    model = task().model.build(2, 0)
    write(model, Weights(**arrays(folder, "best")))
    test = prepared_splits(task()).test
    assert 100 * Counts.of(predict(model, test), test.y, test.group, 4).wga() == chosen["wga"]


@dataclass(frozen=True)
class Interrupted(Method):
    """Another method that is stopped before the checkpoint of some epoch."""

    inner: Any = None
    epoch: int = 0

    def run(self, splits: Splits, trainer: Trainer) -> None:
        whole = trainer.records.finish_epoch

        def stop(row: dict[str, Any], *rest: Any) -> None:
            if row["round"] == self.epoch:
                trainer.run.append("rounds", row)
                raise KeyboardInterrupt
            whole(row, *rest)

        trainer.records.finish_epoch = stop  # type: ignore[method-assign]
        self.inner.run(splits, trainer)


@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize("epoch", [0, 1, 3])
def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    name: str, epoch: int, tmp_path: Path
) -> None:
    method = METHODS[name]
    whole = centralise(task(), method, tmp_path / "whole")
    stopped = Interrupted(inner=method, epoch=epoch)
    # the same run directory under both: the interruption is no setting
    cut = tmp_path / "cut" / whole.name
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(
            type(method), "run", lambda self, splits, trainer: _as(stopped, splits, trainer, patch)
        )
        centralise(task(), method, tmp_path / "cut")
    assert not (cut / "result.json").exists()
    assert centralise(task(), method, tmp_path / "cut") == cut
    same_records(whole, cut)


def _as(stopped: Interrupted, splits: Splits, trainer: Trainer, patch: pytest.MonkeyPatch) -> None:
    patch.undo()
    stopped.run(splits, trainer)


def test_checkpoints_from_before_selections_still_resume(tmp_path: Path) -> None:
    folder = centralise(task(), ERM(), tmp_path / "old")
    head = {"round": 2, "lengths": {"rounds": 10, "clients": 0, "timing": 0}, "facts": {}}
    held = arrays(folder, "checkpoint")
    with open_run(folder, read_json(folder / "spec.json")) as run:
        run.save("checkpoint", {**held, "__head__": np.array(json.dumps(head))})
        found = run.resume()
    assert found is not None
    assert found.round == 2
    assert (folder / "selections.jsonl").read_bytes() == b""


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from fedgroup.runs import run_directory as record
from fedgroup.methods.central_run import centralise
from tests.fedgroup.methods.runs import METHODS, task
whole = record.Run.checkpoint
def checkpoint(self, number, *rest):
    whole(self, number, *rest)
    if number == 2:
        self.append("rounds", {"round": 3})
        for file in self._files.values():
            file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
record.Run.checkpoint = checkpoint
centralise(task(), METHODS["george"], Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_sigkill_costs_nothing(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "cut")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "."},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    cut = centralise(task(), METHODS["george"], tmp_path / "cut")
    same_records(centralise(task(), METHODS["george"], tmp_path / "whole"), cut)


def test_a_finished_run_is_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = centralise(task(), ERM(), tmp_path)
    monkeypatch.setattr(ERM, "run", None)
    assert centralise(task(), ERM(), tmp_path) == folder


def test_ids_tell_methods_and_federated_runs_apart() -> None:
    names = {central_id(task(), method) for method in METHODS.values()}
    assert len(names) == len(METHODS)
    assert central_id(task(), ERM()) == central_id(task(), ERM(eval_every=1))


@pytest.mark.parametrize("name", list(METHODS))
def test_settings_survive_json(name: str) -> None:
    spec = json.loads(json.dumps(to_dict(Central(METHODS[name]))))
    assert build(Central, spec).method == METHODS[name]


def test_a_task_without_attack_has_no_attack_lines(tmp_path: Path) -> None:
    plain = build(Task, {**to_dict(task()), "attack": "none"})
    folder = centralise(plain, ERM(), tmp_path)
    assert all("attack" not in row for row in read_lines(folder, "rounds"))
    assert "asr" not in read_json(folder / "result.json")["selection"]["final"]


def test_inject_false_trains_clean_and_measures_the_attack(tmp_path: Path) -> None:
    clean = replace(task(), inject=False)
    folder = centralise(clean, JTT(identify_epochs=1, upsample=2), tmp_path)
    assert "attack" in read_lines(folder, "rounds")[0]
    assert read_lines(folder, "selections")[0]["found"]["poisons"] == [0, 0]
    assert read_json(folder / "result.json")["idnf"]["poisons"] is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"use": "erm", "eval_every": 0}, "eval_every must be at least 1, got 0"),
        ({"use": "jt"}, "no component called 'jt'; did you mean 'jtt'"),
        ({"use": "jtt", "identify_epochs": -1}, "identify_epochs must be at least 0, got -1"),
        (
            {"use": "jtt", "upsample": -2},
            "upsample must be at least -1 where amplify is added, got -2",
        ),
        (
            {"use": "jtt", "upsample": 0, "amplify": "weights"},
            "at least 1 where amplify is weights, got 0",
        ),
        ({"use": "jtt", "case": "wurst"}, "case.*wurst"),
        ({"use": "jtt", "predictions": "offline"}, "predictions.*offline"),
        ({"use": "george", "first_epochs": 0}, "first_epochs must be at least 1, got 0"),
        ({"use": "george", "clustering": {"k": 0}}, "k must be at least 1"),
        ({"use": "group_dro", "loss": {"eta": -1.0}}, "eta must be at least 0"),
        ({"use": "group_dro", "sampler": "fair"}, "sampler.*fair"),
    ],
)
def test_bad_settings(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        build(Central, {"method": settings})


def test_bad_phase_settings_name_the_value(tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match="lr must be positive"):
        centralise(task(), JTT(identify_lr=-1.0), tmp_path)


def test_every_named_method_is_covered() -> None:
    assert set(METHODS) == set(NAMES)
    for name, method in METHODS.items():
        assert type(method) is resolve(NAMES, name)
    assert isinstance(task().attack, Backdoor)
