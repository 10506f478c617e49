from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from torch import nn

from fedgroup.attacks.gradient_matching.surrogate import Surrogate, SurrogateTraining
from fedgroup.errors import FedgroupError
from tests.fedgroup.attacks.gradient_matching.quick import QUICK, SURROGATE, poisons
from tests.toy import ToyModel


def test_a_surrogate_that_diverges_is_refused(fresh: Path) -> None:
    wild = Surrogate(ToyModel(), SurrogateTraining(epochs=1, lr=1e30))
    with pytest.raises(
        FedgroupError, match=r"surrogate's training diverged .* lower surrogate.train.lr"
    ):
        poisons(replace(QUICK, surrogate=wild))
    assert not list(fresh.glob("surrogate-*.npz"))
    with pytest.raises(FedgroupError, match="seed must be at least 0"):
        Surrogate(seed=-1)


@dataclass(frozen=True)
class FrozenModel:
    """A network whose first layer does not learn."""

    def build(self, classes: int, seed: int) -> nn.Module:
        net = ToyModel().build(classes, seed)
        net.conv.requires_grad_(False)
        return net


def test_a_frozen_surrogate_is_refused_by_name() -> None:
    attack = replace(QUICK, surrogate=replace(SURROGATE, model=FrozenModel()))
    with pytest.raises(FedgroupError, match="'conv.weight' is frozen"):
        poisons(attack)
