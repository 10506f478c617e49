"""What an attack on samples must hold."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fedgroup.attacks.attack import Predict
from fedgroup.checks.runner import Answer, Check, answers, frozen_settings, nonsense_refused
from fedgroup.checks.toy_data import ContractData, content, lock, same
from fedgroup.dataset import GroupedDataset, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.seeding import rng


def _poisoned(attack: Any, clean: Splits, seed: int = 0) -> Splits:
    made: Splits = attack.poison(clean, rng(seed, "attack"))
    return made


def _clean() -> Splits:
    return lock(ContractData().load())


def training_part_only(attack: Any) -> None:
    """Validation and test stay clean, and what is passed in is not written to."""
    clean = _clean()
    held = [content(split) for split in clean]
    made = _poisoned(attack, clean)
    for name, before, now in zip(Splits._fields, held, clean, strict=True):
        changed = same(now, before)
        assert changed is None, (
            f"poison() wrote to the {name} split it was given ({changed}): return a new one"
        )
    for name, before, now in zip(("val", "test"), held[1:], made[1:], strict=True):
        assert same(now, before) is None, (
            f"the {name} split is no longer clean: poison splits.train alone"
        )


def poisons_are_marked(attack: Any) -> None:
    """There are poisons, each is marked, and every unmarked sample is as it was."""
    clean, made = _clean().train, _poisoned(attack, _clean()).train
    assert made.poison.dtype == np.bool_, f"poison marks are {made.poison.dtype}, expected bool"
    assert made.poison.any(), (
        "no sample is marked as poison: add them with fedgroup.attacks.attack.insert"
    )
    kept = made.keep(~made.poison)
    assert np.isin(kept.index, clean.index).all(), (
        "samples with a new index are not marked as poison: use insert"
    )
    before = clean.take(
        np.searchsorted(clean.index, kept.index)
    )  # a clean split is in the order of its index
    changed = same(kept, content(before))
    assert changed is None, (
        f"samples that are not marked as poison differ in {changed} from the clean ones"
    )
    lost = set(clean.index.tolist()) - set(made.index.tolist())
    assert not lost, f"{len(lost)} clean samples are gone: use insert with append or replace"


def identity_is_kept(attack: Any) -> None:
    """Columns fit together, no index occurs twice, and labels and groups are in range."""
    made = _poisoned(attack, _clean()).train
    info, size = made.info, len(made)
    for name, dtype in (
        ("y", np.int64),
        ("group", np.int64),
        ("row", np.int64),
        ("index", np.int64),
    ):
        column = getattr(made, name)
        assert column.shape == (size,), f"{name} has shape {column.shape}, expected ({size},)"
        assert column.dtype == dtype, f"{name} is {column.dtype}, expected {np.dtype(dtype)}"
    assert made.poison.shape == (size,), f"poison has shape {made.poison.shape}, expected ({size},)"
    assert len(np.unique(made.index)) == size, "an index occurs twice: insert numbers the poisons"
    assert made.y.min() >= 0 and made.y.max() < len(info.classes), (
        f"labels {made.y.min()}..{made.y.max()}, expected 0..{len(info.classes) - 1}"
    )
    assert made.group.min() >= 0 and made.group.max() < len(info.groups), (
        f"groups {made.group.min()}..{made.group.max()}, expected 0..{len(info.groups) - 1}"
    )
    images = made.pixels(np.arange(size))
    assert str(images.dtype) == "torch.uint8", f"pictures are {images.dtype}, expected torch.uint8"


def seeds_repeat(attack: Any) -> None:
    """Equal generators give equal poisons and equal counts."""
    clean = _clean()
    one, two = _poisoned(attack, clean), _poisoned(attack, clean)
    differs = same(two.train, content(one.train))
    assert differs is None, (
        f"two equal calls differ in {differs}: draw from the generator that is passed in"
    )
    first, second = (_success(attack, one, _zeros) for _ in range(2))
    assert first == second, (
        f"two equal calls count {first} and {second}: use the generator that is passed in"
    )


def success_is_counted(attack: Any) -> None:
    """success() counts wins among test samples: per group, wins at most what counts."""
    made = _poisoned(attack, _clean())
    for predict in (_zeros, _ones, _labels):
        found = _success(attack, made, predict)
        assert isinstance(found, Counts), f"success() gave {type(found).__name__}, expected Counts"
        groups = len(made.train.info.groups)
        assert len(found.total) == groups, f"counts of {len(found.total)} groups, expected {groups}"
        assert all(0 <= c <= t for c, t in zip(found.correct, found.total, strict=True)), (
            f"wins {found.correct} of {found.total}: a group has more wins than samples that count"
        )
    counted = [sum(_success(attack, made, predict).total) for predict in (_zeros, _ones, _labels)]
    assert any(counted), (
        "no test sample counts for any model: success() must count the attacked ones"
    )


def poisoned_data_refused(attack: Any) -> None:
    """A training set that already holds poisons is refused with a FedgroupError."""
    made = _poisoned(attack, _clean())
    try:
        _poisoned(attack, made, 1)
    except FedgroupError:
        return
    raise AssertionError(
        "poisons were put into a poisoned set: add them with insert, which refuses it"
    )


def settings_are_checked(attack: Any) -> None:
    """A setting that is not a number is refused, when it is set or when it is used."""
    nonsense_refused(attack, lambda made: _poisoned(made, _clean()))


def _success(attack: Any, splits: Splits, predict: Callable[[GroupedDataset], Ints]) -> Any:
    asked: Predict = predict
    return attack.success(asked, splits, rng(0, "attack"))


def _zeros(view: GroupedDataset) -> Ints:
    return np.zeros(len(view), np.int64)


def _ones(view: GroupedDataset) -> Ints:
    return np.ones(len(view), np.int64)


def _labels(view: GroupedDataset) -> Ints:
    return view.y.copy()


CHECKS: tuple[Check, ...] = (
    frozen_settings,
    training_part_only,
    poisons_are_marked,
    identity_is_kept,
    seeds_repeat,
    success_is_counted,
    poisoned_data_refused,
    settings_are_checked,
)


def check_sample_attack(attack: Any) -> Iterator[Answer]:
    """Run every check on an attack on samples."""
    return answers(attack, CHECKS)
