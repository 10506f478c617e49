"""Checks of an attack on samples (fedgroup.attacks.attack.Attack)."""

from collections.abc import Callable, Iterator

import numpy as np

from fedgroup.attacks.attack import Attack, Predict
from fedgroup.checks.runner import (
    Answer,
    answers,
    frozen_settings,
    nonsense_refused,
    surroundings_kept,
)
from fedgroup.checks.toy_data import (
    ContractData,
    ThreeClasses,
    contents,
    first_difference,
    read_only,
)
from fedgroup.dataset import GroupedDataset, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.seeding import rng


def _poisoned(attack: Attack, clean: Splits, seed: int = 0) -> Splits:
    return attack.poison(clean, rng(seed, "attack"))


def _clean() -> Splits:
    return read_only(ContractData().load())


def training_part_only(attack: Attack) -> None:
    """Require that validation and test stay clean, and that nothing passed in is written to."""
    clean = _clean()
    copies = [contents(split) for split in clean]
    poisoned = _poisoned(attack, clean)
    for name, before, now in zip(Splits._fields, copies, clean, strict=True):
        changed = first_difference(now, before)
        assert changed is None, (
            f"poison() wrote to the {name} split it was given ({changed}): return a new one"
        )
    for name, before, now in zip(("val", "test"), copies[1:], poisoned[1:], strict=True):
        assert first_difference(now, before) is None, (
            f"the {name} split is no longer clean: poison splits.train alone"
        )


def poisons_are_marked(attack: Attack) -> None:
    """Require poisons, all marked, and unmarked samples as they were."""
    clean, train = _clean().train, _poisoned(attack, _clean()).train
    assert train.poison.dtype == np.bool_, f"poison marks are {train.poison.dtype}, expected bool"
    assert train.poison.any(), (
        "no sample is marked as poison: add them with fedgroup.attacks.attack.insert"
    )
    kept = train.keep(~train.poison)
    assert np.isin(kept.index, clean.index).all(), (
        "samples with a new index are not marked as poison: use insert"
    )
    # a clean split is in the order of its index
    before = clean.take(np.searchsorted(clean.index, kept.index))
    changed = first_difference(kept, contents(before))
    assert changed is None, (
        f"samples that are not marked as poison differ in {changed} from the clean ones"
    )
    lost = set(clean.index.tolist()) - set(train.index.tolist())
    assert not lost, f"{len(lost)} clean samples are gone: use insert with append or replace"


def identity_is_kept(attack: Attack) -> None:
    """Require columns that fit together, one index per sample, and labels and groups in range."""
    train = _poisoned(attack, _clean()).train
    info, size = train.info, len(train)
    for name in ("y", "group", "row", "index"):
        column = getattr(train, name)
        assert column.shape == (size,), f"{name} has shape {column.shape}, expected ({size},)"
        assert column.dtype == np.int64, f"{name} is {column.dtype}, expected int64"
    marks = train.poison.shape
    assert marks == (size,), f"poison has shape {marks}, expected ({size},)"
    assert len(np.unique(train.index)) == size, "an index occurs twice: insert numbers the poisons"
    assert train.y.min() >= 0 and train.y.max() < len(info.classes), (
        f"labels {train.y.min()}..{train.y.max()}, expected 0..{len(info.classes) - 1}"
    )
    assert train.group.min() >= 0 and train.group.max() < len(info.groups), (
        f"groups {train.group.min()}..{train.group.max()}, expected 0..{len(info.groups) - 1}"
    )
    images = train.pixels(np.arange(size))
    assert str(images.dtype) == "torch.uint8", f"pictures are {images.dtype}, expected torch.uint8"


def more_classes(attack: Attack) -> None:
    """Require poisons of an existing class and whole counts of three classes, or one refusal."""
    clean = read_only(ThreeClasses().load())
    try:
        poisoned = _poisoned(attack, clean)
        wins = [_success(attack, poisoned, predict) for predict in (_zeros, _ones, _labels)]
    except FedgroupError as error:
        assert "1 - y" not in str(error), str(error)
        return
    labels = poisoned.train.y
    assert labels.min() >= 0 and labels.max() < 3, (
        f"labels {labels.min()}..{labels.max()} of three classes: of these `1 - y` is none; "
        f"use (y + 1) % len(info.classes), or refuse more than two classes"
    )
    assert all(len(each.total) == 6 for each in wins), (
        "success() must count every group of the data it is given, here 6 of three classes"
    )


def seeds_repeat(attack: Attack) -> None:
    """Require that equal generators give equal poisons and equal counts."""
    clean = _clean()
    one, two = _poisoned(attack, clean), _poisoned(attack, clean)
    differs = first_difference(two.train, contents(one.train))
    assert differs is None, (
        f"two equal calls differ in {differs}: draw from the generator that is passed in"
    )
    first, second = (_success(attack, one, _zeros) for _ in range(2))
    assert first == second, (
        f"two equal calls count {first} and {second}: use the generator that is passed in"
    )


def success_is_counted(attack: Attack) -> None:
    """Require that success() counts wins and samples that count, per group."""
    poisoned = _poisoned(attack, _clean())
    groups = len(poisoned.train.info.groups)
    counted = []
    for predict in (_zeros, _ones, _labels):
        wins = _success(attack, poisoned, predict)
        assert isinstance(wins, Counts), f"success() gave {type(wins).__name__}, expected Counts"
        assert len(wins.total) == groups, f"counts of {len(wins.total)} groups, expected {groups}"
        assert all(0 <= c <= t for c, t in zip(wins.correct, wins.total, strict=True)), (
            f"wins {wins.correct} of {wins.total}: a group has more wins than samples that count"
        )
        counted.append(sum(wins.total))
    assert any(counted), (
        "no test sample counts for any model: success() must count the attacked ones"
    )


def poisoned_data_refused(attack: Attack) -> None:
    """Require that a training set with poisons is refused with a FedgroupError."""
    poisoned = _poisoned(attack, _clean())
    try:
        _poisoned(attack, poisoned, 1)
    except FedgroupError:
        return
    raise AssertionError(
        "poisons were put into a poisoned set: add them with insert, which refuses it"
    )


def settings_are_checked(attack: Attack) -> None:
    """Require that a setting which is not a number is refused, when it is set or used."""
    nonsense_refused(attack, lambda changed: _poisoned(changed, _clean()))


def _success(attack: Attack, splits: Splits, predict: Predict) -> Counts:
    return attack.success(predict, splits, rng(0, "attack"))


def _zeros(view: GroupedDataset) -> Ints:
    return np.zeros(len(view), np.int64)


def _ones(view: GroupedDataset) -> Ints:
    return np.ones(len(view), np.int64)


def _labels(view: GroupedDataset) -> Ints:
    return view.y.copy()


def surroundings_stay(attack: Attack) -> None:
    """Require that it leaves the process as it is: threads, handlers, random streams, folder."""

    def use(attack: Attack) -> None:
        _success(attack, _poisoned(attack, _clean()), _zeros)

    surroundings_kept(attack, use)


CHECKS: tuple[Callable[[Attack], None], ...] = (
    frozen_settings,
    training_part_only,
    poisons_are_marked,
    identity_is_kept,
    more_classes,
    seeds_repeat,
    success_is_counted,
    poisoned_data_refused,
    settings_are_checked,
    surroundings_stay,
)


def check_sample_attack(attack: Attack) -> Iterator[Answer]:
    """Run every check on an attack on samples; yield an answer each."""
    return answers(attack, CHECKS)
