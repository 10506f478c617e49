"""The server's own training on a root set."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from flwr.app import Message

from experiments.run import run
from fedgroup.errors import FedgroupError
from fedgroup.task import load_splits
from tests.strategies.server.runs import (
    arrays,
    federate_with,
    make,
    records,
)
from tests.toy import MeanOfTwo


@pytest.mark.parametrize("kind", ["natural", "balanced"])
def test_fltrust_trains_its_own_root_update(kind: str, tmp_path: Path) -> None:
    rule = {"use": "fltrust", "root_set": kind, "root_size": 16}
    exp = make(federation__aggregator=rule, federation__rounds=4)
    whole = run(exp, tmp_path / "whole")
    assert not np.array_equal(arrays(whole)["state.root"], arrays(whole)["theta"])

    def pull_the_plug(number: int, client: int, reply: Message) -> Message:
        if number == 2:
            raise KeyboardInterrupt
        return reply

    with pytest.raises(KeyboardInterrupt):
        federate_with(pull_the_plug, exp, tmp_path / "cut")
    assert records(run(exp, tmp_path / "cut")) == records(whole)


def test_root_sets() -> None:
    from strategies.server.root_training import draw

    train = load_splits(make().task.data).train
    balanced = draw(train, "balanced", 16, 0)
    assert np.bincount(train.group[balanced]).tolist() == [4, 4, 4, 4]
    assert len(draw(train, "natural", 20, 0)) == 20
    assert np.array_equal(draw(train, "natural", 20, 0), draw(train, "natural", 20, 0))
    with pytest.raises(FedgroupError, match="'a1' has 8: change root_size"):
        draw(train, "balanced", 40, 0)
    with pytest.raises(FedgroupError, match="root_size 18 is no multiple: set 16 or 20"):
        draw(train, "balanced", 18, 0)
    with pytest.raises(FedgroupError, match="exceeds the 80"):
        draw(train, "natural", 81, 0)


@dataclass(frozen=True)
class Vague(MeanOfTwo):
    """A rule that needs a root vector and does not say of which root set."""

    needs: ClassVar[tuple[str, ...]] = ("root",)


def test_a_rule_that_needs_root_says_what_its_root_set_is(tmp_path: Path) -> None:
    exp = make(federation__aggregator="tests.strategies.server.test_root_training:Vague")
    with pytest.raises(FedgroupError, match="Vague needs root but has no root_set and root_size"):
        run(exp, tmp_path)
