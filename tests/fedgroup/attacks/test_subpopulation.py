"""The subpopulation attack: target group, poisons and paired success."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedgroup.attacks.subpopulation import Subpopulation
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.seeding import rng
from tests.fedgroup.attacks.samples import (
    CELEBA,
    THREE,
    WATERBIRDS,
    part,
    same_columns,
    splits,
    table,
)


def test_waterbirds_append() -> None:
    data = splits()
    after = Subpopulation().poison(data, rng(0, "attack"))
    train = after.train
    assert after.val is data.val
    assert after.test is data.test
    assert len(train) == 4890
    assert same_columns(train.keep(~train.poison), data.train)
    poisons = train.keep(train.poison)
    assert (poisons.group == 0).all()
    assert (poisons.y == 1).all()
    change = np.bincount(train.y, minlength=2) - np.bincount(data.train.y, minlength=2)
    assert change.tolist() == [0, 95]
    bases = Subpopulation().bases(data.train, rng(0, "attack"))
    assert len(set(bases.tolist())) == 95
    assert (np.diff(bases) > 0).all()
    np.testing.assert_array_equal(poisons.row, data.train.row[bases])
    assert train.extra is None  # pixels are the bases', uncopied
    assert torch.equal(poisons.pixels(np.arange(95)), data.train.pixels(bases))


def test_waterbirds_replace_flips_labels_in_place() -> None:
    data = splits()
    train = Subpopulation(insert="replace").poison(data, rng(0)).train
    assert len(train) == 4795
    np.testing.assert_array_equal(train.row, data.train.row)
    np.testing.assert_array_equal(train.y != data.train.y, train.poison)
    assert train.group_counts().tolist() == [3498 - 95, 184, 56, 1057]


def test_target_groups() -> None:
    birds, faces = part((30, 5, 4, 12), WATERBIRDS, 0), part((30, 25, 14, 3), CELEBA, 0)
    assert Subpopulation().target_groups(birds) == (0,)
    assert Subpopulation(match="attribute").target_groups(birds) == (0, 2)
    assert Subpopulation().target_groups(faces) == (
        0,
    )  # the larger of the two groups of class "other"
    more_men = replace(CELEBA, train_counts=(10, 20, 5, 1))
    assert Subpopulation().target_groups(replace(faces, info=more_men)) == (1,)
    three = part(THREE.train_counts, THREE, 0)
    assert Subpopulation().target_groups(three) == (4,)
    assert Subpopulation(match="attribute").target_groups(three) == (0, 2, 4)


def test_matching_the_attribute_draws_all_classes() -> None:
    data = splits(train=(200, 5, 100, 12))
    attack = Subpopulation(fraction=0.5, match="attribute")
    train = attack.poison(data, rng(0)).train
    poisons = train.keep(train.poison)
    counts = np.bincount(poisons.group, minlength=4)
    assert counts.sum() == 158
    assert counts[1] == counts[3] == 0
    assert counts[2] > 30
    assert (poisons.y == 1).all()
    assert train.group_counts().tolist() == [200, 5, 100, 12]


def test_with_replacement() -> None:
    data = splits(train=(10, 5, 50, 50))
    with pytest.raises(
        FedgroupError, match=r"57 poisons need 57 bases, the target group \(landbird_land\) has 10"
    ):
        Subpopulation(fraction=0.5).poison(data, rng(0))
    train = Subpopulation(fraction=0.5, with_replacement=True).poison(data, rng(0)).train
    poisons = train.keep(train.poison)
    assert len(poisons) == 57
    assert len(np.unique(poisons.row)) <= 10
    assert len(np.unique(train.index)) == len(train)
    with pytest.raises(
        FedgroupError, match=r"with_replacement may draw a base twice.*insert: append"
    ):
        Subpopulation(insert="replace", with_replacement=True)


def test_rates_are_nested_and_seeded() -> None:
    train = splits().train
    few = set(Subpopulation(fraction=0.01).bases(train, rng(0)).tolist())
    many = set(Subpopulation().bases(train, rng(0)).tolist())
    assert few < many
    assert many != set(Subpopulation().bases(train, rng(1)).tolist())


@pytest.mark.parametrize(
    ("match", "totals"), [("label_and_attribute", (8, 0, 0, 0)), ("attribute", (8, 0, 4, 0))]
)
@pytest.mark.parametrize("insert", ["append", "replace"])
def test_success_counts_wrong_predictions_of_the_target_group(
    match: str, totals: tuple[int, ...], insert: str
) -> None:
    data = splits(test=(8, 5, 4, 3))
    attack = Subpopulation(match=match, insert=insert)  # type: ignore[arg-type]
    assert Subpopulation.paired
    before, after = data.test.y.copy(), data.test.y.copy()
    land = np.flatnonzero(data.test.group == 0)
    before[land[:1]] = 1
    after[land[:4]] = 1
    after[data.test.group == 1] = 1  # collateral damage, not success
    clean = attack.success(table(before, before), data, rng(0))
    poisoned = attack.success(table(after, after), attack.poison(data, rng(0)), rng(0))
    assert clean == Counts((1, 0, 0, 0), totals)
    assert poisoned == Counts((4, 0, 0, 0), totals)
    drop = poisoned.by_group()[0] - clean.by_group()[0]  # type: ignore[operator]
    assert drop == 3 / 8  # accuracy fell from 7/8 to 4/8


def test_no_target_image_gives_no_rate() -> None:
    data = splits(test=(0, 5, 4, 3))
    y = data.test.y
    assert Subpopulation().success(table(y, y), data, rng(0)) == Counts((0,) * 4, (0,) * 4)
