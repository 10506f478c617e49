"""Labels at the ends of lines, moved apart."""

import itertools

import numpy as np
import pytest

from experiments.figures.end_labels import spread


@pytest.mark.parametrize(
    ("wanted", "heights", "room", "centres"),
    [
        ([5.0, 15.0], [2.0, 2.0], 20.0, [5.0, 15.0]),  # nothing overlaps: nothing moves
        ([5.0, 5.0], [2.0, 2.0], 20.0, [4.0, 6.0]),
        ([6.0, 5.0], [2.0, 2.0], 20.0, [6.5, 4.5]),  # the order of the ends is kept
        ([0.0, 0.0], [2.0, 2.0], 20.0, [1.0, 3.0]),  # inside the room
        ([20.0, 20.0], [2.0, 4.0], 20.0, [15.0, 18.0]),
        ([5.0, 5.0, 5.0], [4.0, 4.0, 4.0], 6.0, [-1.0, 3.0, 7.0]),  # too many: centred
    ],
)
def test_labels_are_moved_no_further_than_needed(
    wanted: list[float], heights: list[float], room: float, centres: list[float]
) -> None:
    assert spread(wanted, heights, room) == pytest.approx(centres)


def test_no_order_of_labels_on_a_lattice_is_nearer() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        wanted = sorted(random.uniform(0, 8, 3).tolist())
        centres = spread(wanted, [2.0, 2.0, 2.0], 8.0)
        assert np.diff(centres).min() >= 2.0 - 1e-9
        assert min(centres) >= 1.0 - 1e-9
        assert max(centres) <= 7.0 + 1e-9
        cost = sum((a - b) ** 2 for a, b in zip(wanted, centres, strict=True))
        lattice = np.arange(1.0, 7.01, 0.25)
        for others in itertools.product(lattice, repeat=3):
            if np.diff(others).min() >= 2.0:
                assert cost <= sum((a - b) ** 2 for a, b in zip(wanted, others, strict=True)) + 1e-9
