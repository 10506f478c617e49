"""Global random streams at an address: the same numbers everywhere, and none outside the block."""

import random
from typing import Any

import numpy as np
import pytest
import torch

from fedgroup.seeding import (
    changed_streams,
    entropy_of,
    global_state,
    global_streams,
    restore_global_state,
    rng,
)


def drawn() -> list[float]:
    return [
        float(torch.rand(())),
        float(np.random.random()),  # noqa: NPY002
        float(np.random.normal()),  # noqa: NPY002
        random.random(),
        random.gauss(0, 1),
    ]


def at(*address: Any) -> list[float]:
    with global_streams(0, *address):
        return drawn()


def test_equal_addresses_give_equal_numbers_wherever_the_streams_stood() -> None:
    one = at("epoch", 1)
    torch.manual_seed(5)
    random.random()
    np.random.random(3)  # noqa: NPY002
    assert at("epoch", 1) == one
    assert not set(at("epoch", 2)) & set(one)
    assert not set(at("epoch", "1")) & set(one)


def test_the_streams_go_on_where_they_stood() -> None:
    before = global_state()
    drawn()
    restore_global_state(before)
    expected = drawn()
    restore_global_state(before)
    with pytest.raises(KeyError), global_streams(0, "x"):
        drawn()
        raise KeyError
    assert changed_streams(before) == []
    assert drawn() == expected
    restore_global_state(before)


def test_the_stream_that_moved_is_named() -> None:
    before = global_state()
    for name, move in (
        ("torch", lambda: torch.rand(())),
        ("numpy", lambda: np.random.random()),  # noqa: NPY002
        ("random", random.random),
    ):
        move()
        assert changed_streams(before) == [name]
        restore_global_state(before)


def test_a_users_own_seeding_works_inside_and_ends_with_the_block() -> None:
    before = global_state()
    with global_streams(0, "x"):
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        one = drawn()
    with global_streams(0, "y"):
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        assert drawn() == one
    assert changed_streams(before) == []


def test_the_entropy_of_a_generator_does_not_depend_on_what_was_drawn() -> None:
    one = rng(0, "local", 1, 2)
    before = entropy_of(one)
    one.permutation(10)
    assert entropy_of(one) == before == entropy_of(rng(0, "local", 1, 2))
    assert entropy_of(rng(0, "local", 1, 3)) != before
    assert isinstance(entropy_of(np.random.default_rng()), int)
