"""A learning rate that is far too high ends in one line that names the round, never a JSON error."""

from pathlib import Path

import pytest

from experiments.run import run
from fedgroup.errors import FedgroupError
from strategies.server.divergence import refuse_diverged, remedy
from strategies.server.round_log import _known
from tests.strategies.server.runs import make


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(
    ("lr", "words"),
    [
        (1e12, "diverged in round 1: the step norm is inf: lower task.train.lr"),
        (1e30, r"all 3 rounds failed.*it diverged in round 1: lower task.train.lr and run again"),
    ],
)
def test_a_run_that_diverges_says_in_which_round(lr: float, words: str, tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match=words) as caught:
        run(make(task__train__lr=lr), tmp_path)
    assert "\n" not in str(caught.value)


def test_every_norm_of_step_and_state_is_looked_at() -> None:
    refuse_diverged({"step_norm": 1e30, "minority_influence": float("nan")}, 1)
    for value in (float("inf"), float("nan")):
        with pytest.raises(FedgroupError, match="diverged in round 7: the momentum norm is"):
            refuse_diverged({"step_norm": 1.0, "momentum_norm": value}, 7)


def test_another_cause_keeps_its_remedy() -> None:
    rows = [{"round": 1, "refused": [{"reason": "theta holds 3 NaN or infinite values"}]}]
    assert remedy(rows) == "it diverged in round 1: lower task.train.lr"
    rows[0]["refused"].append({"reason": "update norm 3 exceeds the bound 1"})  # type: ignore[attr-defined]
    assert remedy(rows) == "mend the cause"
    assert remedy([{"round": 1, "refused": None}]) == "mend the cause"


def test_what_is_not_finite_is_unknown_in_the_records() -> None:
    assert [_known(value) for value in (1.5, float("inf"), float("nan"))] == [1.5, None, None]
