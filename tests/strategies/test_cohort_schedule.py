import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from strategies.cohort_schedule import cohort_size, schedule, schedule_hash


@pytest.mark.parametrize(
    ("clients", "fraction", "size"),
    [(100, 0.1, 10), (100, 0.29, 29), (10, 0.01, 1), (7, 1.0, 7), (1, 0.5, 1), (30, 0.1, 3)],
)
def test_size_floors_without_float_truncation(clients: int, fraction: float, size: int) -> None:
    assert cohort_size(clients, fraction) == size  # int(0.29 * 100) alone would be 28


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.1])
def test_fraction_is_checked(fraction: float) -> None:
    with pytest.raises(FedgroupError, match="fraction must lie in"):
        cohort_size(10, fraction)


def test_schedule_depends_on_the_seed_alone() -> None:
    one, two = schedule(0, 100, 0.1, 20), schedule(0, 100, 0.1, 20)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert schedule_hash(one) == schedule_hash(two)
    assert schedule_hash(schedule(1, 100, 0.1, 20)) != schedule_hash(one)


def test_a_longer_schedule_begins_with_the_shorter() -> None:
    short, long = schedule(3, 50, 0.2, 5), schedule(3, 50, 0.2, 9)
    assert all(np.array_equal(a, b) for a, b in zip(short, long, strict=False))


def test_cohorts_are_sorted_distinct_and_uniform() -> None:
    cohorts = schedule(0, 20, 0.25, 2000)
    for cohort in cohorts:
        assert len(set(cohort.tolist())) == 5
        assert (np.diff(cohort) > 0).all()
    drawn = np.bincount(np.concatenate(cohorts), minlength=20)
    assert abs(drawn - 500).max() < 100  # mean 500, sd about 19
