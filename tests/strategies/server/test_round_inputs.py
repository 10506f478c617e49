"""What rules are told of the clients of a round."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedgroup.layout import Weights
from fedgroup.update import Update
from strategies.rules.median import Median
from strategies.server.round_inputs import told_by_clients

NOTHING = Weights(np.zeros(1, np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
UPDATES = [Update(4, 10, 0.5, (), NOTHING), Update(7, 20, float("nan"), (), NOTHING)]


@dataclass(frozen=True)
class Curious(Median):
    """Wants to know everything."""

    needs: ClassVar[tuple[str, ...]] = ("ids", "losses", "root")


def test_a_rule_is_told_what_it_asks_for_and_nothing_else() -> None:
    told: Any = told_by_clients(Curious(), UPDATES)
    assert set(told) == {"ids", "losses"}  # the root vector is the server's to make
    assert told["ids"].tolist() == [4, 7]
    assert told["ids"].dtype == np.int64
    assert told["losses"][0] == 0.5
    assert np.isnan(told["losses"][1])
    assert told_by_clients(Median(), UPDATES) == {}
