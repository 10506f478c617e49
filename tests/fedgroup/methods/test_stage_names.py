"""What a stored stage is named by: everything that its training depends on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedgroup.identity.results_version import RESULTS_VERSION
from fedgroup.methods.stage import make_stage
from fedgroup.spec import build, resolve
from fedgroup.task import Task, prepared_splits
from tests.fedgroup.foreign import importable
from tests.fedgroup.methods.runs import task

MODEL = """
from dataclasses import dataclass

import torch
from torch import nn

from fedgroup.checks.toy_data import TinyNet


class Net(TinyNet):
    def forward(self, x):
        return getattr(torch, "ACTIVATION")(super().forward(x))


@dataclass(frozen=True)
class Mine:
    scale: float = 1.0

    def build(self, classes, seed):
        torch.manual_seed(seed)
        return Net(classes)
"""
"""A model whose starting weights do not tell what it computes."""


def paths(use: str, **changes: Any) -> set[Path]:
    """Where the stages of a task with this model are kept."""
    only = replace(task(), model=build(resolve({}, use), changes))
    train, config = prepared_splits(only).train, only.train
    stage = make_stage(only, "identify", train, config, torch.device("cpu"))
    return {stage.path({"product": "online"}), stage.path({"product": "eval"})}


def test_models_of_equal_weights_share_no_stage(tmp_path: Path) -> None:
    """relu and tanh: by name, by a setting, and by an edit of the source."""
    for name in ("relu", "tanh"):
        (tmp_path / f"model_{name}.py").write_text(MODEL.replace("ACTIVATION", name))
    with importable(tmp_path) as forget:
        relu, tanh = paths("model_relu:Mine"), paths("model_tanh:Mine")
        scaled = paths("model_relu:Mine", scale=2.0)
        (tmp_path / "model_relu.py").write_text(MODEL.replace("ACTIVATION", "sigmoid"))
        forget()
        edited = paths("model_relu:Mine")
    assert len(relu | tanh | scaled | edited) == 8


def test_all_that_a_stage_depends_on_is_in_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = task()
    train = prepared_splits(plain).train

    def path(only: Task = plain, name: str = "identify", data: Any = train, **config: Any) -> Path:
        made = make_stage(only, name, data, replace(only.train, **config), torch.device("cpu"))
        return made.path({"product": "online"})

    last = np.arange(len(train)) == len(train) - 1
    found = [
        path(),
        path(replace(plain, seed=1)),
        path(name="other"),
        path(lr=0.5),
        path(batch_size=5),
        path(data=train.take(np.arange(len(train) - 1))),
        path(data=replace(train, poison=train.poison ^ last)),
        path(data=replace(train, index=train.index + last)),
        path(data=replace(train, y=np.where(last, 1 - train.y, train.y))),
        path(data=replace(train, bank=255 - train.bank)),
    ]
    assert path(epochs=9) == found[0]
    monkeypatch.setitem(RESULTS_VERSION, "fedgroup.methods", 2)
    found.append(path())
    assert len(set(found)) == len(found)
