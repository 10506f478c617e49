"""Checks of a model (fedgroup.model.Model).

Every check builds the network for two classes and shows it a few small pictures.
"""

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import torch
from torch import nn

from fedgroup.checks.runner import Answer, answers, frozen_settings, surroundings_kept
from fedgroup.checks.toy_data import ContractData
from fedgroup.dataset import GroupedDataset
from fedgroup.frozen import Frozen, frozen_digest
from fedgroup.layout import Weights, read, write
from fedgroup.model import Model, build_model
from fedgroup.predict import predict
from fedgroup.seeding import rng
from fedgroup.train import Progress, TrainConfig, epochs

CLASSES = 2
CPU = torch.device("cpu")


@cache
def _data() -> GroupedDataset:
    return ContractData().load().train.take(np.arange(16, dtype=np.int64))


def _built(model: Model, seed: int = 0) -> nn.Module:
    return build_model(model, CLASSES, seed, CPU)


def _trained(net: nn.Module, last: int, state: Progress | None = None) -> Progress:
    """Train a network to the end of epoch `last`; return where that leaves the optimiser."""
    config = TrainConfig(epochs=last, batch_size=8, lr=0.01)
    found = [
        epoch.progress()
        for epoch in epochs(net, _data(), config, lambda n: rng(0, "contract", n), state=state)
    ]
    return found[-1]


def _difference(one: Weights, two: Weights) -> str | None:
    """Return the name of the first vector in which two models differ; None where none does."""
    other = two.arrays()
    return next(
        (
            name
            for name, array in one.arrays().items()
            if not np.array_equal(array, other[name], equal_nan=array.dtype.kind == "f")
        ),
        None,
    )


def gives_logits(model: Model) -> None:
    """Require a network from pictures to one finite number per class."""
    net = _built(model).eval()
    with torch.no_grad():
        logits = net(_data().batch(np.arange(4), CPU).x)
    assert tuple(logits.shape) == (4, CLASSES), (
        f"the outputs for 4 pictures have shape {tuple(logits.shape)}, expected (4, {CLASSES}): "
        f"end in a linear layer of `classes` outputs"
    )
    assert torch.isfinite(logits).all(), "the outputs of a fresh network are not finite"


def seeds_repeat(model: Model) -> None:
    """Require that equal seeds build equal networks, frozen parts included."""
    one, two = _built(model), _built(model)
    differs = _difference(read(one), read(two))
    assert differs is None, f"{differs} differs between two networks of one seed"
    assert frozen_digest(one) == frozen_digest(two), (
        "what is frozen differs between two networks of one seed: draw it from the seed"
    )


def evaluation_repeats(model: Model) -> None:
    """Require equal outputs of equal pictures in evaluation mode."""
    net = _built(model).eval()
    x = _data().batch(np.arange(8), CPU).x
    with torch.no_grad():
        same = torch.equal(net(x), net(x))
    assert same, (
        "two looks at the same pictures in evaluation mode differ: does it call dropout without "
        "training=self.training?"
    )


def vectors_hold_everything(model: Model) -> None:
    """Require that a network continued from its vectors ends like one that was not stopped."""
    whole, stopped, again = _built(model), _built(model), _built(model)
    _trained(whole, 2)
    state = _trained(stopped, 1)
    write(again, read(stopped))
    _trained(again, 2, state)
    differs = _difference(read(whole), read(again))
    assert differs is None, (
        f"stopped after an epoch and continued, {differs} differs: keep what changes in training "
        f"in parameters and buffers, which travel"
    )
    one, two = (predict(net, _data()) for net in (whole, again))
    assert np.array_equal(one, two), "stopped and continued, it predicts something else"


def frozen_stays(model: Model) -> None:
    """Require that training leaves frozen parameters alone."""
    net = _built(model)
    frozen = Frozen(net)
    _trained(net, 1)
    frozen.check(net)


def surroundings_stay(model: Model) -> None:
    """Require that building leaves the process as it is."""
    surroundings_kept(model, lambda m: m.build(CLASSES, 0), streams=False)


CHECKS: tuple[Callable[[Model], None], ...] = (
    frozen_settings,
    gives_logits,
    seeds_repeat,
    evaluation_repeats,
    vectors_hold_everything,
    frozen_stays,
    surroundings_stay,
)


def check_model(model: Model) -> Iterator[Answer]:
    """Run every check on a model; yield an answer each."""
    return answers(model, CHECKS)
