"""What components give back: taken, or refused in one line with their name first."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fedgroup.errors import FedgroupError
from fedgroup.guards.component_results import (
    checked_logits,
    checked_model,
    checked_plain,
    checked_shares,
    checked_state,
    checked_vector,
    read_only,
)

GOOD = np.arange(3, dtype=np.float32)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.zeros((1, 3)), r"(1, 3) float64, expected (3,) float32"),
        (np.zeros(3), r"(3,) float64, expected (3,) float32"),
        (np.zeros(2, np.float32), r"(2,) float32, expected (3,) float32"),
        (np.zeros(3, np.int64), r"(3,) int64"),
        ([0.0, 0.0, 0.0], "list, expected (3,) float32"),
        (None, "None, expected"),
        (torch.zeros(3), "Tensor, expected"),
        (np.ma.masked_array(GOOD, GOOD == 1), "a masked (3,) float32"),
        (GOOD.astype(">f4"), "(3,) >f4"),
    ],
)
def test_other_vectors_are_refused(value: Any, words: str) -> None:
    with pytest.raises(FedgroupError) as caught:
        checked_vector("MyRule.step", value, 3, " (round 2)")
    assert str(caught.value).startswith(f"MyRule.step returned {words}"), caught.value
    assert str(caught.value).endswith("(round 2)")


def test_a_good_vector_is_taken_as_it_is_and_a_strided_one_in_order() -> None:
    assert checked_vector("x", GOOD, 3) is GOOD
    strided = np.arange(6, dtype=np.float32)[::2]
    taken = checked_vector("x", strided, 3)
    assert taken.flags.c_contiguous
    assert taken.tolist() == [0, 2, 4]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ([GOOD], "list as its state, expected a dict"),
        ({"m": [1.0]}, "state 'm' as list, which a checkpoint cannot hold"),
        ({"m": 3}, "state 'm' as int"),
        ({1: GOOD}, "state 1 as"),
        ({"m": np.array([object()])}, "state 'm' of dtype object"),
        ({"m": np.zeros(2, "V2")}, "state 'm' of dtype |V2"),
        ({"m": np.zeros(2, "f4,i4")}, "state 'm' of dtype"),
        ({"m": np.ma.masked_array(GOOD, GOOD == 1)}, "state 'm' as a masked"),
    ],
)
def test_state_that_a_checkpoint_cannot_hold_is_refused(state: Any, words: str) -> None:
    with pytest.raises(FedgroupError) as caught:
        checked_state("MyRule.step", state)
    assert str(caught.value).startswith(f"MyRule.step returned {words}"), caught.value


def test_state_is_what_a_checkpoint_gives_back() -> None:
    fortran = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    taken = checked_state("x", {"a": np.float32(2), "b": fortran, "c": np.arange(6)[::2]})
    assert all(type(array) is np.ndarray and array.flags.c_contiguous for array in taken.values())
    assert taken["a"].shape == ()
    assert np.array_equal(taken["b"], fortran)


def test_read_only_copies_nothing() -> None:
    view = read_only(GOOD)
    assert np.shares_memory(view, GOOD)
    assert not view.flags.writeable
    assert GOOD.flags.writeable
    assert read_only(view) is view


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        (np.array([0.5, 0.5, 0.5]), r"shares 0.5..0.5 that sum to 1.5"),
        (np.array([1.5, -0.5, 0]), "shares -0.5..1.5"),
        (np.array([np.nan, 0, 1]), "shares nan"),
        (np.array([0.5, 0.5]), r"(2,) float64, expected (3,) float64"),
        ([0.5, 0.5, 0], "list, expected"),
        (np.array([1, 0, 0]), "(3,) int64"),
    ],
)
def test_influences_that_are_no_shares_are_refused(shares: Any, words: str) -> None:
    with pytest.raises(FedgroupError) as caught:
        checked_shares("MyRule.influence", shares, 3)
    assert str(caught.value).startswith(f"MyRule.influence returned {words}"), caught.value


def test_shares_may_be_all_zero() -> None:
    assert checked_shares("x", np.zeros(3), 3).tolist() == [0, 0, 0]
    assert checked_shares("x", np.full(4, 0.25, np.float32), 4).dtype == np.float64


def test_a_network_and_its_outputs() -> None:
    net = nn.Linear(2, 3)
    assert checked_model("x", net) is net
    with pytest.raises(FedgroupError, match=r"My.build returned function, expected a torch.nn"):
        checked_model("My.build", lambda x: x)
    good = torch.zeros(4, 2)
    assert checked_logits(net, good, 4, 2) is good
    for wrong, shape in ((torch.zeros(4, 3), "(4, 3)"), (torch.zeros(4), "(4,)"), (None, "None")):
        with pytest.raises(FedgroupError) as caught:
            checked_logits(net, wrong, 4, 2)
        assert str(caught.value).startswith(f"Linear.forward returned {shape} for 4 pictures")


@pytest.mark.parametrize("value", [float("nan"), np.float32(1), np.zeros(2), {1, 2}, object()])
def test_what_json_cannot_hold_is_named(value: Any) -> None:
    with pytest.raises(FedgroupError, match=r"^My.run gave 'b' as .*, which rounds.jsonl cannot"):
        checked_plain("My.run", {"a": 1, "b": value}, "rounds.jsonl")
