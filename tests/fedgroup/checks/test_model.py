"""Models: ours hold the contract, and each check catches what it is there for."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from fedgroup.checks.model import check_model
from fedgroup.model import Small
from tests.fedgroup.checks.failures import failed
from tests.odd_models import (
    CountingModel,
    DrawingModel,
    NoisyModel,
    OddModel,
    TeacherModel,
    UnluckyModel,
)
from tests.toy import ToyModel, ToyNet


@pytest.mark.parametrize("model", [Small(), ToyModel(), OddModel(), DrawingModel()], ids=str)
def test_models_that_hold_the_contract(model: Any) -> None:
    assert failed(check_model(model)) == {}


@dataclass(frozen=True)
class Wide:
    """Three outputs for two classes, and eight threads."""

    def build(self, classes: int, seed: int) -> nn.Module:
        torch.set_num_threads(3)
        return ToyNet(3)


@pytest.mark.parametrize(
    ("model", "check", "words"),
    [
        (CountingModel(), "vectors_hold_everything", "keep what changes in training"),
        (NoisyModel(), "evaluation_repeats", "dropout without training=self.training"),
        (TeacherModel(), "frozen_stays", "changed its frozen parameter 'backbone.weight'"),
        (UnluckyModel(), "seeds_repeat", "what is frozen differs"),
        (Wide(), "gives_logits", r"have shape (4, 3), expected (4, 2)"),
        (Wide(), "surroundings_stay", "it changes torch's number of threads"),
    ],
)
def test_careless_models_are_caught(model: Any, check: str, words: str) -> None:
    before = torch.get_num_threads()
    assert words in failed(check_model(model))[check]
    torch.set_num_threads(before)
