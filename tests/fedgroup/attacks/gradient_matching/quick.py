"""A quick attack on a set with Waterbirds' group counts and 8 px images."""

from dataclasses import replace
from functools import cache

import numpy as np
import torch

from fedgroup.attacks.gradient_matching.gradient_matching import GradientMatching
from fedgroup.attacks.gradient_matching.surrogate import Surrogate, SurrogateTraining
from fedgroup.dataset import GroupedDataset, Splits
from fedgroup.seeding import rng
from tests.toy import INFO, ToyModel

COUNTS = ((3498, 184, 56, 1057), (4, 4, 4, 4), (30, 30, 8, 8))
SURROGATE = Surrogate(ToyModel(), SurrogateTraining(epochs=1, lr=0.05))
QUICK = GradientMatching(restarts=2, steps=12, surrogate=SURROGATE)


@cache
def birdlike() -> Splits:
    generator, parts = rng(0, "birdlike"), []
    info = replace(INFO, train_counts=COUNTS[0])
    for counts in COUNTS:
        group = generator.permutation(np.repeat(np.arange(4), counts))
        images = generator.integers(0, 150, (len(group), 8, 8, 3))
        images += (group // 2 * 50)[:, None, None, None]
        images[..., 0] += (group % 2 * 50)[:, None, None]
        bank = torch.from_numpy(images.clip(0, 255).astype(np.uint8))
        parts.append(GroupedDataset.clean(bank, np.arange(len(group)), group // 2, group, info))
    return Splits(*parts)


def address(seed: int = 0) -> np.random.Generator:
    return rng(seed, "attack")


def poisons(attack: GradientMatching, seed: int = 0) -> torch.Tensor:
    extra = attack.poison(birdlike(), address(seed)).train.extra
    assert extra is not None
    return extra
