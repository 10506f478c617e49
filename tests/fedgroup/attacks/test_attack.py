"""How poisons enter a training set, and the manifest of what was done."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedgroup.attacks.attack import insert, manifest
from fedgroup.attacks.backdoor import Backdoor
from fedgroup.attacks.subpopulation import Subpopulation
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import tier_rates
from fedgroup.seeding import rng
from tests.fedgroup.attacks.samples import WATERBIRDS, part, splits

TRAIN = part((20, 6, 4, 10), replace(WATERBIRDS, train_counts=(20, 6, 4, 10)), 0)
BASES = np.flatnonzero(TRAIN.group == 0)[[1, 3, 4]]
IMAGES = torch.full((3, 8, 8, 3), 7, dtype=torch.uint8)


def test_append_with_new_images() -> None:
    after = insert(TRAIN, BASES, 1, IMAGES)
    clean = after.take(np.arange(40))
    for name in ("row", "y", "group", "poison", "index"):
        np.testing.assert_array_equal(getattr(clean, name), getattr(TRAIN, name))
    assert after.row[40:].tolist() == [40, 41, 42]
    assert after.index[40:].tolist() == [40, 41, 42]
    assert after.y[40:].tolist() == [1, 1, 1]
    assert after.group[40:].tolist() == [0, 0, 0]
    assert after.poison.sum() == 3
    assert after.poison[40:].all()
    assert after.bank is TRAIN.bank
    assert (after.pixels(np.array([40, 41, 42])) == 7).all()
    assert after.group_counts().tolist() == [20, 6, 4, 10]  # poisons are in no group


def test_append_without_images_copies_no_pixel() -> None:
    after = insert(TRAIN, BASES, np.array([1, 0, 1]))
    assert after.extra is None
    assert torch.equal(after.pixels(np.array([40, 41, 42])), TRAIN.pixels(BASES))
    assert after.y[40:].tolist() == [1, 0, 1]


@pytest.mark.parametrize("images", [None, IMAGES])
def test_replace_changes_the_bases_alone(images: torch.Tensor | None) -> None:
    after = insert(TRAIN, BASES, 1, images, "replace")
    rest = np.setdiff1d(np.arange(40), BASES)
    assert len(after) == 40
    np.testing.assert_array_equal(after.index, TRAIN.index)
    np.testing.assert_array_equal(after.group, TRAIN.group)
    np.testing.assert_array_equal(after.y[rest], TRAIN.y[rest])
    np.testing.assert_array_equal(np.flatnonzero(after.poison), BASES)
    assert (after.y[BASES] == 1).all()
    assert torch.equal(after.pixels(rest), TRAIN.pixels(rest))
    assert torch.equal(after.pixels(BASES), TRAIN.pixels(BASES) if images is None else IMAGES)
    assert not TRAIN.poison.any()  # the input is not written to
    assert (TRAIN.y[BASES] == 0).all()
    assert after.group_counts().tolist() == [17, 6, 4, 10]


@pytest.mark.parametrize("images", [None, IMAGES])
@pytest.mark.parametrize("how", ["append", "replace"])
def test_a_second_attack_is_refused(images: torch.Tensor | None, how: str) -> None:
    after = insert(TRAIN, BASES, 1, images, how)  # type: ignore[arg-type]
    with pytest.raises(FedgroupError, match="already holds 3 poisons"):
        insert(after, BASES, 1)


def test_bad_images_and_twice_replaced_are_refused() -> None:
    with pytest.raises(FedgroupError, match=r"torch.float32 \(3, 8, 8, 3\), expected torch.uint8"):
        insert(TRAIN, BASES, 1, IMAGES.float())
    with pytest.raises(FedgroupError, match=r"expected torch.uint8 \(3, 8, 8, 3\)"):
        insert(TRAIN, BASES, 1, IMAGES[:2])
    with pytest.raises(FedgroupError, match="drawn twice"):
        insert(TRAIN, np.array([1, 1]), 1, how="replace")


def test_index_of_a_subset_never_collides() -> None:
    view = TRAIN.take(np.array([30, 39, 5]))
    after = insert(view, np.array([0, 1]), 1)
    assert after.index.tolist() == [30, 39, 5, 40, 41]


def test_manifest_of_appended_images() -> None:
    after = insert(TRAIN, BASES, 1, IMAGES)
    made = manifest(TRAIN, after, BASES)
    assert (made["insert"], made["count"]) == ("append", 3)
    digest = hashlib.sha256(bytes([7]) * 192).hexdigest()[:16]
    assert made["poisons"][1] == {
        "base": int(BASES[1]),
        "base_group": 0,
        "old_label": 0,
        "new_label": 1,
        "position": 41,
        "pixels": digest,
    }
    assert json.loads(json.dumps(made)) == made
    unknown = manifest(TRAIN, after)["poisons"][0]
    assert unknown["base"] is None
    assert unknown["old_label"] is None
    with pytest.raises(FedgroupError, match="2 bases given for 3 poisons"):
        manifest(TRAIN, after, BASES[:2])


def test_manifest_finds_bases_of_replaced_and_of_unchanged_pixels() -> None:
    for after in (insert(TRAIN, BASES, 1, IMAGES, "replace"), insert(TRAIN, BASES, 1)):
        assert [p["base"] for p in manifest(TRAIN, after)["poisons"]] == BASES.tolist()
    twins = TRAIN.take(np.concatenate([np.arange(40), BASES[:1]]))  # two samples share a bank row
    after = insert(twins, BASES, 1)
    assert [p["base"] for p in manifest(twins, after)["poisons"]] == [None, *BASES[1:].tolist()]


@pytest.mark.parametrize(
    "attack", [Backdoor(), Subpopulation(), Backdoor(insert="replace")], ids=str
)
def test_manifest_of_an_attack_is_a_function_of_the_seed(attack: Backdoor | Subpopulation) -> None:
    data = splits()

    def made(seed: int) -> dict[str, object]:
        after = attack.poison(data, rng(seed, "attack"))
        return manifest(data.train, after.train, attack.bases(data.train, rng(seed, "attack")))

    assert made(0) == made(0)
    assert made(0) != made(1)


def test_selection_rates_count_poisons_apart() -> None:
    data = splits()
    for attack, left in ((Backdoor(), 4555), (Backdoor(insert="replace"), 4555 - 47)):
        train = attack.poison(data, rng(0)).train
        tiers = WATERBIRDS.tiers
        masks = {
            name: np.isin(train.group, members) & ~train.poison for name, members in tiers.items()
        }
        assert {name: int(mask.sum()) for name, mask in masks.items()} == {
            "LRG-1": 56,
            "LRG-2": 184,
            "HRG": left,
        }
        rates = tier_rates(train.poison, train)
        assert rates.pop("HRG same class") == 0.0
        assert rates == {"LRG-1": 0.0, "LRG-2": 0.0, "HRG": 0.0, "poisons": 100.0}
