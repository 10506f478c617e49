"""Attack success with three and five classes, from confusion matrices worked by hand.

A confusion matrix has a row per true class; `answers` turns rows into predictions, sample by sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from fedgroup.attacks.attack import insert
from fedgroup.attacks.backdoor import Backdoor
from fedgroup.attacks.base_samples import bad_class, source_class, source_groups
from fedgroup.attacks.gradient_matching.gradient_matching import GradientMatching
from fedgroup.attacks.subpopulation import Subpopulation
from fedgroup.dataset import GroupedDataset, GroupInfo, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.seeding import rng
from tests.fedgroup.attacks.samples import THREE, part, splits, table

FIVE = GroupInfo(
    name="five",
    classes=("v", "w", "x", "y", "z"),
    groups=("v", "w", "x", "y", "z"),
    tiers={"LRG-1": (4,), "LRG-2": (3,), "HRG": (0, 1, 2)},
    train_counts=(40, 90, 60, 9, 3),
)
"""One group a class; y_bad = z = 4, y_src = w = 1."""


def answers(data: GroupedDataset, of: Ints, rows: dict[int, Sequence[int]]) -> Ints:
    """Predictions that give these rows: rows[v][c] samples with of == v are called class c."""
    predicted = data.y.copy()
    for value, row in rows.items():
        places = np.flatnonzero(of == value)
        assert len(places) == sum(row), "the matrix must hold every sample once"
        predicted[places] = np.repeat(np.arange(len(row)), row)
    return predicted


def test_the_classes_of_the_attacker() -> None:
    three, five = part(THREE.train_counts, THREE, 0), part(FIVE.train_counts, FIVE, 0)
    assert (bad_class(THREE), source_class(three), source_groups(three)) == (1, 2, (4, 5))
    assert (bad_class(FIVE), source_class(five), source_groups(five)) == (4, 1, (1,))


def test_backdoor_with_three_classes() -> None:
    """Of 10 images of c 8 are right; the trigger turns 3 into a, 2 into the target b: 2 of 8."""
    data = splits(THREE, test=(2, 2, 2, 2, 6, 4))
    clean = answers(data.test, data.test.y, {2: (1, 1, 8)})
    right = (data.test.y == 2) & (clean == 2)
    under_trigger = clean.copy()
    under_trigger[np.flatnonzero(right)] = (0, 0, 0, 1, 1, 2, 2, 2)
    counts = Backdoor().success(table(clean, under_trigger), data, rng(0))
    assert (sum(counts.correct), sum(counts.total)) == (2, 8)
    assert counts.accuracy() == 0.25, "not the 5 / 8 of any wrong class"
    group = data.test.group[right]
    assert counts.total == tuple(np.bincount(group, minlength=6))
    assert counts.correct == tuple(np.bincount(group[3:5], minlength=6))


def test_backdoor_with_five_classes() -> None:
    """Of 20 images of w 15 are right; the trigger turns them into (4, 2, 0, 3, 6): 6 of 15."""
    data = splits(FIVE, test=(5, 20, 5, 5, 5))
    clean = answers(data.test, data.test.y, {1: (2, 15, 1, 1, 1), 0: (0, 0, 0, 0, 5)})
    under_trigger = clean.copy()
    right = np.flatnonzero((data.test.y == 1) & (clean == 1))
    under_trigger[right] = np.repeat(np.arange(5), (4, 2, 0, 3, 6))
    counts = Backdoor().success(table(clean, under_trigger), data, rng(0))
    assert counts == Counts((0, 6, 0, 0, 0), (0, 15, 0, 0, 0))


@pytest.mark.parametrize(("answer", "hits"), [(0, 0), (1, 0), (2, 0), (3, 0), (4, 20)])
def test_a_model_that_always_gives_one_class_is_no_backdoor_unless_it_is_the_target(
    answer: int, hits: int
) -> None:
    """100 % where the truth is 0 % was the fault: every wrong class counted."""
    data = splits(FIVE, test=(5, 20, 5, 5, 5))
    counts = Backdoor().success(
        table(data.test.y, np.full(len(data.test), answer, np.int64)), data, rng(0)
    )
    assert counts == Counts((0, hits, 0, 0, 0), (0, 20, 0, 0, 0))


def test_subpopulation_with_three_classes() -> None:
    """Group c0 of 10: wrong (1, 2, .) clean, (2, 4, .) attacked: 60 % less 30 %, any class."""
    data = splits(THREE, test=(2, 2, 2, 2, 10, 4))
    of = data.test.group
    clean = answers(data.test, of, {4: (1, 2, 7)})
    attacked = answers(data.test, of, {4: (2, 4, 4), 5: (4, 0, 0)})
    attack = Subpopulation()
    before = attack.success(table(clean, clean), data, rng(0))
    after = attack.success(table(attacked, attacked), data, rng(0))
    assert before == Counts((0, 0, 0, 0, 3, 0), (0, 0, 0, 0, 10, 0))
    assert after == Counts((0, 0, 0, 0, 6, 0), (0, 0, 0, 0, 10, 0))
    assert after.accuracy() - before.accuracy() == pytest.approx(0.3)


def test_subpopulation_with_five_classes() -> None:
    data = splits(FIVE, test=(5, 20, 5, 5, 5))
    predicted = answers(data.test, data.test.y, {1: (3, 8, 2, 1, 6), 0: (0, 5, 0, 0, 0)})
    counts = Subpopulation().success(table(predicted, predicted), data, rng(0))
    assert counts == Counts((0, 12, 0, 0, 0), (0, 20, 0, 0, 0))


def test_gradient_matching_counts_the_intended_class() -> None:
    """Of 8 targets of w the model gives v 3, w 1, x 1 and the intended z 3: 3 of 8, not 7."""
    data = splits(FIVE, test=(5, 20, 5, 5, 5))

    def predict(view: GroupedDataset) -> Ints:
        assert (view.y == 1).all()
        return np.repeat(np.arange(5), (3, 1, 1, 0, 3))

    counts = GradientMatching(targets=8).success(predict, data, rng(0, "attack"))
    assert counts == Counts((0, 3, 0, 0, 0), (0, 8, 0, 0, 0))


@pytest.mark.parametrize("attack", [Backdoor(), Subpopulation(), GradientMatching(targets=4)])
def test_with_two_classes_the_target_is_every_mistake(
    attack: Backdoor | Subpopulation | GradientMatching,
) -> None:
    data = splits(test=(9, 7, 5, 3))
    generator = np.random.default_rng(0)
    for _ in range(5):
        clean, triggered = generator.integers(0, 2, (2, len(data.test)))
        counts = attack.success(table(clean, triggered), data, rng(0, "attack"))
        mirrored = attack.success(table(1 - clean, 1 - triggered), data, rng(0, "attack"))
        if not isinstance(attack, Backdoor):  # of which both the wrong and the right are given
            assert sum(counts.correct) + sum(mirrored.correct) == sum(counts.total)
        source = (data.test.y == 0) & (clean == 0)
        if isinstance(attack, Backdoor):
            assert sum(counts.correct) == int((triggered[source] != 0).sum())


def test_poisons_of_a_class_that_is_none_are_refused() -> None:
    train = part(THREE.train_counts, THREE, 0)
    bases = np.flatnonzero(train.y == 2)[:3]
    with pytest.raises(FedgroupError, match=r"three: poisons get labels -1..-1, the classes are 0"):
        insert(train, bases, 1 - train.y[bases])
    with pytest.raises(FedgroupError, match=r"labels 0..3, the classes are 0..2"):
        insert(train, bases, np.array([0, 1, 3]))
    assert len(insert(train, bases[:0], 7)) == len(train), "no poison, no label"


def test_lrg_1_of_several_classes_is_refused() -> None:
    info = replace(FIVE, tiers={"LRG-1": (3, 4), "HRG": (0, 1)})
    with pytest.raises(FedgroupError, match="LRG-1 spans the classes y, z"):
        Backdoor().poison(splits(info), rng(0))


@dataclass(frozen=True)
class FiveClasses:
    """The five classes as a data set."""

    def load(self) -> Splits:
        """Make the three splits."""
        return splits(FIVE, test=(6,) * 5)
