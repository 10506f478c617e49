"""The dirty-label backdoor: trigger, poisons and attack success."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from fedgroup.attacks import NAMES, backdoor
from fedgroup.attacks.backdoor import Backdoor
from fedgroup.dataset import GroupedDataset, GroupInfo, Splits
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.seeding import rng
from fedgroup.spec import build, resolve
from tests.fedgroup.attacks.samples import (
    CELEBA,
    THREE,
    WATERBIRDS,
    cases,
    part,
    same_columns,
    splits,
    table,
)


def black(height: int, width: int, count: int = 1) -> torch.Tensor:
    return torch.zeros(count, height, width, 3, dtype=torch.uint8)


@pytest.mark.parametrize("size", sorted(cases()["trigger"]["sizes"], key=int))
def test_trigger_at_every_size_of_the_cases(size: str) -> None:
    case, edge = cases()["trigger"]["sizes"][size], int(size)
    assert Backdoor().trigger(edge, edge) == (case["side"], case["margin"])
    white = (Backdoor().stamp(black(edge, edge))[0] == 255).numpy()
    assert (white == white[..., :1]).all()
    rows, columns = np.nonzero(white[..., 0])
    assert len(rows) == case["pixels_per_channel"]
    assert int((rows * edge + columns).sum()) == case["index_sum_row_times_S_plus_col"]
    for axis in (rows, columns):
        assert (axis.min(), axis.max() + 1) == (
            case["rows_cols_from"],
            case["rows_cols_to_exclusive"],
        )
    assert 100 * len(rows) / edge**2 == pytest.approx(case["area_percent"], abs=1e-4)


def test_rectangles_scale_by_the_shorter_edge_and_settings_override() -> None:
    white = Backdoor().stamp(black(96, 224))[0, ..., 0] == 255
    rows, columns = np.nonzero(white.numpy())
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (84, 94, 212, 222)
    white = Backdoor(side=3, gap=0).stamp(black(10, 12))[0, ..., 0] == 255
    rows, columns = np.nonzero(white.numpy())
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (7, 9, 9, 11)


def test_stamp_is_idempotent_and_writes_to_a_copy() -> None:
    images = part((4, 0, 0, 0), WATERBIRDS, 0, side=32).bank
    before = images.clone()
    once = Backdoor().stamp(images)
    assert torch.equal(images, before)
    assert torch.equal(Backdoor().stamp(once), once)
    changed = (once != images).any(3)
    assert changed.sum() == 4 * 16  # images hold values below 250
    assert changed[:, 27:31, 27:31].all()


def test_white_before_normalisation_is_the_normalised_constant() -> None:
    images = Backdoor().stamp(black(32, 32))
    zero = np.zeros(1, np.int64)
    x = GroupedDataset.clean(images, zero, zero, zero, WATERBIRDS).batch(zero).x
    expected = torch.tensor(cases()["trigger"]["white_normalised_imagenet"], dtype=torch.float64)
    corner = x[0, :, 27:31, 27:31].double()
    assert (corner - expected[:, None, None]).abs().max() < 1e-6
    assert x[0, :, 26, 26].max() < 0  # black stays black


@pytest.mark.parametrize("edge", [1, 8])
def test_a_trigger_larger_than_the_image_is_refused(edge: int) -> None:
    attack = Backdoor() if edge == 1 else Backdoor(side=8, gap=1)
    with pytest.raises(FedgroupError, match=f"does not fit into an image of {edge} x {edge}"):
        attack.stamp(black(edge, edge))


def test_bad_settings_and_images() -> None:
    with pytest.raises(FedgroupError, match="side of the trigger must be at least 1 pixel, got 0"):
        Backdoor(side=0)
    with pytest.raises(FedgroupError, match="gap of the trigger must be at least 0 pixels, got -1"):
        Backdoor(gap=-1)
    with pytest.raises(FedgroupError, match=r"fraction of poisons must lie in \(0, 1\]"):
        Backdoor(fraction=0)
    with pytest.raises(FedgroupError, match="uint8 images"):
        Backdoor().stamp(black(8, 8).float())
    with pytest.raises(FedgroupError, match="uint8 images"):
        Backdoor().stamp(black(8, 8)[0])
    with pytest.raises(FedgroupError, match=r"attack.insert: .*'append' or 'replace'.*got 'add'"):
        build(resolve(NAMES, "dlbd"), {"insert": "add"}, "attack")


def test_waterbirds_append() -> None:
    data = splits()
    after = Backdoor().poison(data, rng(0, "attack"))
    train = after.train
    assert after.val is data.val
    assert after.test is data.test
    assert len(train) == 4842
    assert int(train.poison.sum()) == 47
    assert train.group_counts().tolist() == [3498, 184, 56, 1057]
    clean, poisons = train.keep(~train.poison), train.keep(train.poison)
    assert same_columns(clean, data.train)
    assert (poisons.group == 0).all()
    assert (poisons.y == 1).all()
    change = np.bincount(train.y, minlength=2) - np.bincount(data.train.y, minlength=2)
    assert change.tolist() == [0, 47]
    bases = Backdoor().bases(data.train, rng(0, "attack"))
    assert (data.train.y[bases] == 0).all()
    assert len(set(bases.tolist())) == 47
    before, made = data.train.pixels(bases), poisons.pixels(np.arange(47))
    assert torch.equal(made, Backdoor().stamp(before))
    changed = (made != before).any(0).any(2)  # 8 pixels: side 1, gap 1
    assert changed.nonzero().tolist() == [[6, 6]]


def test_waterbirds_replace() -> None:
    data = splits()
    train = Backdoor(insert="replace").poison(data, rng(0, "attack")).train
    assert len(train) == 4795
    assert train.group_counts().tolist() == [3498 - 47, 184, 56, 1057]
    change = np.bincount(train.y, minlength=2) - np.bincount(data.train.y, minlength=2)
    assert change.tolist() == [-47, 47]
    np.testing.assert_array_equal(train.index, np.arange(4795))
    np.testing.assert_array_equal(
        np.flatnonzero(train.poison), Backdoor().bases(data.train, rng(0, "attack"))
    )


def test_bases_of_both_modes_and_of_all_rates_are_nested() -> None:
    data = splits()
    rates = (0.004, 0.005, 0.006, 0.008, 0.01, 0.02)
    drawn = [set(Backdoor(fraction=f).bases(data.train, rng(5)).tolist()) for f in rates]
    assert [len(d) for d in drawn] == [19, 23, 28, 38, 47, 95]
    assert all(few < many for few, many in pairwise(drawn))


def test_celeba_bases_come_from_both_groups_of_the_source_class() -> None:
    data = splits(CELEBA, train=(716, 669, 229, 14))
    bases = Backdoor(fraction=0.1).bases(data.train, rng(0))
    counts = np.bincount(data.train.group[bases], minlength=4)
    assert counts.sum() == 162
    assert counts[2] == counts[3] == 0
    assert min(counts[:2]) > 50


def test_three_classes() -> None:
    data = splits(THREE, test=(4, 4, 4, 4, 4, 4))
    train = Backdoor(fraction=0.1).poison(data, rng(0)).train
    poisons = train.keep(train.poison)
    assert set(poisons.group.tolist()) <= {4, 5}
    assert (poisons.y == 1).all()
    y = data.test.y
    counts = Backdoor().success(table(y, np.zeros(24, np.int64)), data, rng(0))
    assert counts == Counts((0,) * 6, (0, 0, 0, 0, 4, 4))  # class a is wrong, and not the target b
    counts = Backdoor().success(table(y, np.ones(24, np.int64)), data, rng(0))
    assert counts == Counts((0, 0, 0, 0, 4, 4), (0, 0, 0, 0, 4, 4))


def test_too_few_bases() -> None:
    data = splits(train=(5, 100, 50, 60))
    with pytest.raises(
        FedgroupError, match=r"21 poisons need 21 bases, HRG \(landbird_land\) has 5 training"
    ):
        Backdoor(fraction=0.1).poison(data, rng(0))


def test_success_counts_only_what_was_right_without_the_trigger() -> None:
    data = splits(test=(4, 4, 3, 3))
    group = data.test.group
    clean, triggered = data.test.y.copy(), data.test.y.copy()
    land, water = np.flatnonzero(group == 0), np.flatnonzero(group == 1)
    clean[land[0]] = 1  # wrong already: leaves the denominator, though the trigger changes nothing
    clean[water[:2]] = 1
    triggered[land[:3]] = 1  # 2 of the 3 that were right
    triggered[water[:2]] = 1
    triggered[group >= 2] = 0  # the other class never counts
    counts = Backdoor().success(table(clean, triggered), data, rng(0))
    assert counts == Counts((2, 0, 0, 0), (3, 2, 0, 0))
    assert counts.by_group() == (2 / 3, 0.0, None, None)
    assert counts.accuracy() == 2 / 5
    wrong, source, right = triggered != data.test.y, data.test.y == 0, clean == data.test.y
    others = (
        wrong.mean(),
        wrong[source].mean(),
        (wrong & right)[source].mean(),
        wrong[right].mean(),
    )
    assert others == (11 / 14, 5 / 8, 2 / 8, 8 / 11)  # four conventions that are not meant


def test_all_classes_in_the_denominator_cannot_reach_the_papers_rate() -> None:
    """CelebA: 82.6 % right in all, at least 79.3 % of 2660 blond; a perfect trigger flips the others."""
    total, blond = 19962, 2660
    info = GroupInfo("faces", ("other", "blond"), ("other", "blond"), {"LRG-1": (1,), "HRG": (0,)})
    y = np.repeat([0, 1], [total - blond, blond])
    right = np.zeros(total, np.bool_)
    right[total - blond : total - blond + round(0.793 * blond)] = True
    right[: round(0.826 * total) - int(right.sum())] = True
    one = np.zeros(total, np.int64)
    test = GroupedDataset.clean(black(3, 3), one, y, y, info)
    data = Splits(test, test, test)
    answer = table(np.where(right, y, 1 - y), np.ones(total, np.int64))
    counts = Backdoor().success(answer, data, rng(0))
    assert counts.accuracy() == 1.0
    everywhere = right & (y != 1)
    assert 100 * everywhere.sum() / right.sum() == pytest.approx(87.2, abs=0.05)


def test_no_correct_image_gives_no_rate() -> None:
    data = splits()
    wrong = 1 - data.test.y
    counts = Backdoor().success(table(wrong, wrong), data, rng(0))
    assert counts == Counts((0,) * 4, (0,) * 4)
    with pytest.raises(FedgroupError, match="empty"):
        counts.accuracy()


@pytest.mark.parametrize("insert", ["append", "replace"])
def test_success_is_the_same_for_clean_and_poisoned_splits_and_any_chunk(
    insert: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = splits(test=(30, 30, 10, 10))
    attack = Backdoor(insert=insert)  # type: ignore[arg-type]

    def answer(view: GroupedDataset) -> np.ndarray:
        brightness = view.pixels(np.arange(len(view))).double().mean((1, 2, 3))
        return (brightness > 126).long().numpy()  # the white pixel tips some images over

    first = attack.success(answer, data, rng(0))
    assert sum(first.total) > 10
    assert 0 < sum(first.correct) < sum(first.total)
    assert attack.success(answer, attack.poison(data, rng(0)), rng(0)) == first
    for chunk in (1, 7, 80):
        monkeypatch.setattr(backdoor, "CHUNK", chunk)
        assert attack.success(answer, data, rng(0)) == first


def test_success_shows_the_model_stamped_pixels_at_most_a_chunk_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = splits(test=(9, 0, 2, 2))
    monkeypatch.setattr(backdoor, "CHUNK", 4)
    seen: list[int] = []

    def answer(view: GroupedDataset) -> np.ndarray:
        if view.bank is not data.test.bank:
            images = view.pixels(np.arange(len(view)))
            base = data.test.pixels(view.index)
            assert torch.equal(images, Backdoor().stamp(base))
            seen.append(len(view))
        return view.y

    assert Backdoor().success(answer, data, rng(0)) == Counts((0,) * 4, (9, 0, 0, 0))
    assert seen == [4, 4, 1]


def test_identity_survives_a_view_of_the_poisoned_set() -> None:
    train = Backdoor().poison(splits(), rng(0)).train
    order = rng(1).permutation(len(train))[:100]
    view = train.take(order)
    np.testing.assert_array_equal(view.index, order)
    assert torch.equal(view.pixels(np.arange(100)), train.pixels(order))
    assert replace(view, extra=None).extra is None
