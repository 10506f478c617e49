"""Classes and pools shared by the attacks."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from fedgroup.attacks import BYZANTINE_NAMES, NAMES
from fedgroup.attacks.base_samples import (
    bad_class,
    draw,
    pool,
    rare_pool,
    source_class,
    source_groups,
)
from fedgroup.attacks.poison_count import poison_count
from fedgroup.errors import FedgroupError
from fedgroup.seeding import rng
from fedgroup.spec import resolve
from tests.fedgroup.attacks.samples import CELEBA, THREE, WATERBIRDS, blank, part


def test_classes_and_pools() -> None:
    birds, faces = part((30, 5, 4, 12), WATERBIRDS, 0), part((30, 25, 14, 3), CELEBA, 0)
    assert (bad_class(WATERBIRDS), source_class(birds), source_groups(birds)) == (1, 0, (0,))
    assert (bad_class(CELEBA), source_class(faces), source_groups(faces)) == (1, 0, (0, 1))
    assert (birds.group[pool(birds, (0,))] == 0).all()
    assert len(pool(birds, (0,))) == 30
    assert len(pool(faces, (0, 1))) == 55
    assert (birds.group[rare_pool(birds)] == 2).all()
    assert len(rare_pool(birds)) == 4
    assert (faces.group[rare_pool(faces)] == 3).all()


def test_pools_leave_poisons_out() -> None:
    birds = part((30, 5, 4, 12), WATERBIRDS, 0)
    first = pool(birds, (0,))[:10]
    poison = np.isin(np.arange(len(birds)), first)
    assert set(pool(replace(birds, poison=poison), (0,))).isdisjoint(first)


def test_more_than_two_classes() -> None:
    three = part(THREE.train_counts, THREE, 0)
    assert (
        bad_class(THREE) == 1
    )  # b1 is the rarest; b is therefore no source, although b0 is largest
    assert source_class(three) == 2  # c0 and c1 hold 50, a1 holds 40 (a0 is not in HRG)
    assert source_groups(three) == (4, 5)
    unrecorded = replace(three, info=replace(THREE, train_counts=()))
    assert source_class(unrecorded) == 2
    tied = replace(THREE, train_counts=(5, 50, 60, 2, 30, 20))
    assert source_class(replace(three, info=tied)) == 0


def test_missing_tiers() -> None:
    info = replace(WATERBIRDS, tiers={"HRG": (0, 3)})
    with pytest.raises(FedgroupError, match=r"birds has no tier LRG-1.*it has HRG"):
        bad_class(info)
    info = replace(WATERBIRDS, tiers={"LRG-1": (2,), "LRG-2": (1,)})
    with pytest.raises(FedgroupError, match=r"no tier HRG.*it has LRG-1, LRG-2"):
        source_class(part((3, 3, 3, 3), info, 0))
    info = replace(WATERBIRDS, tiers={"LRG-1": (1, 2), "HRG": (0, 3)})
    with pytest.raises(FedgroupError, match="LRG-1 spans the classes landbird, waterbird"):
        bad_class(info)
    info = replace(WATERBIRDS, tiers={"LRG-1": (2,), "LRG-2": (0, 1), "HRG": (3,)})
    with pytest.raises(FedgroupError, match="all groups of HRG have LRG-1's class waterbird"):
        source_class(part((3, 3, 3, 3), info, 0))


def test_draws_are_nested_sorted_distinct_and_seeded() -> None:
    data = blank(500)
    candidates = np.arange(100, 400)
    for twice in (False, True):
        drawn = [draw(candidates, n, data, "pool", rng(3), twice) for n in (5, 40, 290)]
        for few, many in pairwise(drawn):
            assert set(few) <= set(many)
            assert (np.diff(many) >= 0).all()
        assert np.isin(drawn[2], candidates).all()
        assert (len(np.unique(drawn[2])) == 290) != twice
        np.testing.assert_array_equal(drawn[1], draw(candidates, 40, data, "pool", rng(3), twice))
        assert not np.array_equal(drawn[1], draw(candidates, 40, data, "pool", rng(4), twice))
    assert len(draw(np.arange(2), 50, data, "pool", rng(0), with_replacement=True)) == 50


def test_draw_is_uniform() -> None:
    data = blank(10)
    hits = np.zeros(10)
    for seed in range(2000):
        hits[draw(np.arange(10), 3, data, "pool", rng(seed))] += 1
    assert np.abs(hits - 600).max() < 5 * np.sqrt(2000 * 0.3 * 0.7)


@pytest.mark.parametrize(
    ("size", "clean"), [(56, 4795), (1, 4795), (56, 1000), (1, 2), (3000, 162770)]
)
def test_too_small_a_pool_names_a_fraction_that_fits(size: int, clean: int) -> None:
    data = blank(clean)
    with pytest.raises(
        FedgroupError, match=f"LRG-1 has {size} training samples: lower the fraction"
    ) as error:
        draw(np.arange(size), size + 1, data, "LRG-1", rng(0))
    named = float(str(error.value).rsplit(" ", 1)[1])
    assert 0.98 * size <= poison_count(named, data) <= size


def test_empty_pool() -> None:
    with pytest.raises(
        FedgroupError, match="HRG has 0 training samples: use a data set that has some"
    ):
        draw(np.arange(0), 3, blank(10), "HRG", rng(0), with_replacement=True)


@pytest.mark.parametrize("path", [*NAMES.values(), *BYZANTINE_NAMES.values()])
def test_every_short_name_is_a_component_with_defaults(path: str) -> None:
    resolve({}, path)()
