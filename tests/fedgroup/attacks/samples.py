"""Splits with given group counts and predictors that read tables, for the tests of sample-level attacks."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from fedgroup.dataset import GroupedDataset, GroupInfo, Ints, Splits
from tests.paths import CASES

WATERBIRDS = GroupInfo(
    name="birds",
    classes=("landbird", "waterbird"),
    groups=("landbird_land", "landbird_water", "waterbird_land", "waterbird_water"),
    tiers={"LRG-1": (2,), "LRG-2": (1,), "HRG": (0, 3)},
    train_counts=(3498, 184, 56, 1057),
)
CELEBA = GroupInfo(
    name="faces",
    classes=("other", "blond"),
    groups=("other_female", "other_male", "blond_female", "blond_male"),
    tiers={"LRG-1": (3,), "HRG": (0, 1, 2)},
    train_counts=(71629, 66874, 22880, 1387),
)
THREE = GroupInfo(
    name="three",
    classes=("a", "b", "c"),
    groups=("a0", "a1", "b0", "b1", "c0", "c1"),
    tiers={"LRG-1": (3,), "LRG-2": (0,), "HRG": (1, 2, 4, 5)},
    train_counts=(5, 40, 60, 2, 30, 20),
)


def cases() -> dict[str, Any]:
    path = CASES / "attacks_cases.json"
    return dict(json.loads(path.read_text()))


def part(counts: Sequence[int], info: GroupInfo, seed: int, side: int = 8) -> GroupedDataset:
    """A shuffled split with its own random image per sample."""
    generator = np.random.default_rng(seed)
    group = generator.permutation(np.repeat(np.arange(len(counts)), counts))
    images = generator.integers(0, 250, (len(group), side, side, 3), dtype=np.uint8)
    row = generator.permutation(len(group))
    return GroupedDataset.clean(
        torch.from_numpy(images), row, group // info.attributes, group, info
    )


def splits(
    info: GroupInfo = WATERBIRDS,
    train: Sequence[int] | None = None,
    test: Sequence[int] | None = None,
) -> Splits:
    """Splits of small images; the training counts are the record's unless given."""
    few = (3,) * len(info.groups)
    return Splits(
        part(train or info.train_counts, info, 0), part(few, info, 1), part(test or few, info, 2)
    )


def table(clean: Ints, triggered: Ints) -> Callable[[GroupedDataset], Ints]:
    """A predictor that answers by sample index, from `triggered` where the corner is white."""

    def predict(data: GroupedDataset) -> Ints:
        corner = data.pixels(np.arange(len(data)))[:, -2, -2].numpy()
        return np.where((corner == 255).all(1), triggered[data.index], clean[data.index])

    return predict


def same_columns(a: GroupedDataset, b: GroupedDataset) -> bool:
    names = ("row", "y", "group", "poison", "index")
    return a.bank is b.bank and all(np.array_equal(getattr(a, n), getattr(b, n)) for n in names)


def blank(samples: int) -> GroupedDataset:
    """Clean samples of one group that share one black pixel."""
    zeros = np.zeros(samples, np.int64)
    return GroupedDataset.clean(
        torch.zeros(1, 1, 1, 3, dtype=torch.uint8), zeros, zeros, zeros, WATERBIRDS
    )
