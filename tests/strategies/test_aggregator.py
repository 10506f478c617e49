"""What a rule may declare besides its two functions."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from fedgroup.errors import FedgroupError
from strategies.aggregator import is_order_dependent, needs_of
from strategies.rules.bucketing import Bucketing
from strategies.rules.fltrust import FLTrust
from strategies.rules.median import Median
from strategies.rules.nnm import NNM
from tests.toy import MeanOfTwo


@dataclass(frozen=True)
class Curious(MeanOfTwo):
    """A rule that asks for what no server has."""

    needs: ClassVar[tuple[str, ...]] = ("secrets",)


def test_a_rule_that_declares_nothing_needs_nothing() -> None:
    assert needs_of(MeanOfTwo()) == needs_of(Median()) == ()
    assert not is_order_dependent(MeanOfTwo())


def test_what_a_rule_needs_is_a_name_the_server_knows() -> None:
    assert needs_of(FLTrust()) == ("root",)
    with pytest.raises(
        FedgroupError, match="Curious needs, called 'secrets'.*valid: ids, losses, root"
    ):
        needs_of(Curious())


def test_a_rule_around_one_that_draws_lots_depends_on_the_order_too() -> None:
    rules: list[tuple[Any, bool]] = [
        (Bucketing(), True),
        (NNM(Bucketing()), True),
        (NNM(Median()), False),
    ]
    for rule, expected in rules:
        assert is_order_dependent(rule) is expected
