"""Checks of a data set (fedgroup.dataset.Dataset)."""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from fedgroup.checks.runner import Answer, answers, frozen_settings, surroundings_kept
from fedgroup.dataset import Dataset, GroupedDataset, Splits

SAMPLES = 64
"""Pictures of a split that are looked at: a large data set is not read whole."""


def three_splits(data: Dataset) -> None:
    """Require that load() gives train, val and test, none empty, described by equal words."""
    splits = data.load()
    assert isinstance(splits, Splits), (
        f"load() gave {type(splits).__name__}, expected Splits(train, val, test)"
    )
    for name, split in zip(Splits._fields, splits, strict=True):
        assert isinstance(split, GroupedDataset), (
            f"{name} is {type(split).__name__}, expected GroupedDataset"
        )
        assert len(split), f"the {name} split has no samples"
        assert split.info == splits.train.info, (
            f"info of {name} differs from that of train: share one GroupInfo"
        )


def pictures(data: Dataset) -> None:
    """Require pictures in uint8 (M, H, W, 3), of one size, and rows that exist."""
    sizes = set()
    for name, split in zip(Splits._fields, data.load(), strict=True):
        bank = split.bank
        assert bank.dtype == torch.uint8, (
            f"the bank of {name} is {bank.dtype}: store pictures as torch.uint8"
        )
        assert bank.ndim == 4 and bank.shape[3] == 3, (
            f"the bank of {name} has shape {tuple(bank.shape)}, expected (M, H, W, 3)"
        )
        assert split.row.min() >= 0 and split.row.max() < len(bank), (
            f"rows {split.row.min()}..{split.row.max()} of {name} in a bank of {len(bank)} pictures"
        )
        sizes.add(split.size)
    assert len(sizes) == 1, f"pictures of {len(sizes)} sizes {sorted(sizes)}: resize them to one"


def labels_and_groups(data: Dataset) -> None:
    """Require labels and groups in range, and that a group is A*y + a."""
    for name, split in zip(Splits._fields, data.load(), strict=True):
        info = split.info
        classes, groups = len(info.classes), len(info.groups)
        assert classes > 1, f"{classes} class: a data set has two or more"
        assert groups % classes == 0, (
            f"{groups} groups of {classes} classes: name every attribute value of each"
        )
        assert split.y.min() >= 0 and split.y.max() < classes, (
            f"labels {split.y.min()}..{split.y.max()} in {name}, not 0..{classes - 1}"
        )
        assert split.group.min() >= 0 and split.group.max() < groups, (
            f"groups {split.group.min()}..{split.group.max()} in {name}, expected 0..{groups - 1}"
        )
        wrong = np.flatnonzero(split.group // info.attributes != split.y)
        assert not len(wrong), (
            f"{len(wrong)} samples of {name} are in a group of another class (first: {wrong[:1]}): "
            f"a group is {info.attributes}*y + a"
        )


def tiers(data: Dataset) -> None:
    """Require that tiers name existing groups, each once, and can be measured on test."""
    splits = data.load()
    info, test = splits.train.info, splits.test.group_counts()
    named = [group for members in info.tiers.values() for group in members]
    assert named, 'no group has a tier: say which are "LRG-1", "LRG-2" and "HRG"'
    wrong = [group for group in named if not 0 <= group < len(info.groups)]
    assert not wrong, (
        f"tiers name group {wrong[:1]}, there are {len(info.groups)}: use 0..{len(info.groups) - 1}"
    )
    assert len(set(named)) == len(named), f"a group stands in two tiers: {dict(info.tiers)}"
    unknown = set(info.tiers) - {"LRG-1", "LRG-2", "HRG"}
    assert not unknown, f"unknown tier {sorted(unknown)}: name them LRG-1, LRG-2 and HRG"
    missing = [info.groups[group] for group in named if test[group] == 0]
    assert not missing, (
        f"no test sample of {', '.join(missing)}: WGA would not see it; move some to test"
    )
    counts = splits.train.group_counts().tolist()
    assert not info.train_counts or list(info.train_counts) == counts, (
        f"train_counts {list(info.train_counts)}, the training split holds {counts}: "
        f"they weight ACC"
    )


def identity(data: Dataset) -> None:
    """Require an index per sample, no poison marks, and no picture in two splits."""
    splits = data.load()
    for name, split in zip(Splits._fields, splits, strict=True):
        assert len(np.unique(split.index)) == len(split), (
            f"an index occurs twice in {name}: use 0, 1, 2, ..."
        )
        assert not split.poison.any(), (
            f"{int(split.poison.sum())} samples of {name} are marked as poison"
        )
    for one, two in ((0, 1), (0, 2), (1, 2)):
        a, b = splits[one], splits[two]
        shared = np.intersect1d(a.row, b.row) if a.bank is b.bank else ()
        assert not len(shared), (
            f"{len(shared)} pictures in both {Splits._fields[one]} and {Splits._fields[two]}: "
            f"keep them apart"
        )


def loads_repeat(data: Dataset) -> None:
    """Require that two loads give the same columns and pictures."""
    for name, one, two in zip(Splits._fields, data.load(), data.load(), strict=True):
        for column in ("row", "y", "group", "index"):
            assert np.array_equal(getattr(one, column), getattr(two, column)), (
                f"{column} of {name} differs between two loads: "
                f"draw from fedgroup.seeding.rng(seed, ...)"
            )
        few = np.unique(np.linspace(0, len(one) - 1, SAMPLES).astype(np.int64))
        assert torch.equal(one.pixels(few), two.pixels(few)), (
            f"pictures of {name} differ between two loads"
        )


def normalisation(data: Dataset) -> None:
    """Require channel means in [0, 1] and positive deviations."""
    info = data.load().train.info
    assert len(info.mean) == len(info.std) == 3, (
        f"mean {info.mean} and std {info.std}: give three values each"
    )
    assert all(0 <= value <= 1 for value in info.mean), (
        f"mean {info.mean}: pictures count from 0 to 1"
    )
    assert all(0 < value <= 1 for value in info.std), f"std {info.std}: must lie in (0, 1]"


def surroundings_stay(data: Dataset) -> None:
    """Require that it leaves the process as it is: threads, handlers, random streams, folder."""
    surroundings_kept(data, lambda used: used.load())


CHECKS: tuple[Callable[[Dataset], None], ...] = (
    frozen_settings,
    three_splits,
    pictures,
    labels_and_groups,
    tiers,
    identity,
    loads_repeat,
    normalisation,
    surroundings_stay,
)


def check_dataset(data: Dataset) -> Iterator[Answer]:
    """Run every check on a data set; yield an answer each."""
    return answers(data, CHECKS)
