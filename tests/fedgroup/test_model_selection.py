import pytest

from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.model_selection import metrics, select, summary
from tests.toy import ToyData


def row(number: int, val: int, test: int) -> dict[str, object]:
    """Two groups of ten: the first has `val` (`test`) right, the second all."""
    return {
        "round": number,
        "val": {"correct": [val, 10], "total": [10, 10]},
        "test": {"correct": [test, 10], "total": [10, 10]},
    }


def test_best_is_the_first_maximum_and_never_round_zero() -> None:
    rows = [row(0, 10, 10), row(1, 3, 1), row(2, 7, 2), {"round": 3}, row(4, 7, 9), row(5, 5, 6)]
    chosen = select(rows, (30, 10))
    assert chosen["best_val_wga"]["round"] == 2
    assert chosen["best_val_wga"]["wga"] == 20.0
    assert chosen["final"]["round"] == 5
    assert chosen["final"]["wga"] == 60.0
    assert chosen["last10"]["rounds"] == [1, 2, 4, 5]
    assert chosen["last10"]["wga"] == pytest.approx((10 + 20 + 90 + 60) / 4)


def test_metrics_by_hand() -> None:
    value = metrics(Counts((2, 9), (10, 10)), (30, 10))
    assert value["wga"] == 20.0
    assert value["acc"] == pytest.approx(55.0)
    assert value["acc_adjusted"] == pytest.approx(20 * 0.75 + 90 * 0.25)
    assert (value["worst_group"], value["worst_group_samples"]) == (0, 10)


def test_last10_takes_ten() -> None:
    chosen = select([row(r, 1, r % 10) for r in range(1, 25)], (1, 1))
    assert chosen["last10"]["rounds"] == list(range(15, 25))


def test_failed_rounds_before_the_first_that_trains_are_not_selected() -> None:
    rows = [row(0, 10, 10), row(1, 10, 10) | {"failed": "0 valid replies"}, row(2, 3, 4)]
    rows += [row(3, 2, 3) | {"failed": "0 valid replies"}]
    chosen = select(rows, (1, 1))
    assert chosen["best_val_wga"]["round"] == 2
    assert (chosen["final"]["round"], chosen["last10"]["rounds"]) == (3, [2, 3])
    with pytest.raises(FedgroupError, match="no evaluated round"):
        select(rows[:2], (1, 1))


def test_nothing_evaluated() -> None:
    with pytest.raises(FedgroupError, match="no evaluated round"):
        select([{"round": 1}], (1, 1))


def test_the_summary_of_a_run_by_hand():
    info = ToyData().load().train.info
    rows = [
        {
            "round": n,
            "val": {"correct": [v] * 4, "total": [6] * 4},
            "test": {"correct": [t, 10, 10, 10], "total": [10] * 4},
        }
        for n, v, t in [(0, 6, 1), (1, 3, 2), (2, 3, 0)]
    ]
    found = summary(rows, info, 4, 1)
    assert list(found) == ["selection", "start", "rounds", "failed_rounds", "flags", "dataset"]
    assert found["start"]["wga"] == 10.0
    assert found["selection"]["best_val_wga"]["round"] == 1
    assert found["selection"]["best_val_wga"]["wga"] == 20.0
    assert found["flags"] == {"wga_zero": False, "failed_round_share": 0.25}
    assert found["dataset"]["tiers"] == {"LRG-1": [2], "LRG-2": [1], "HRG": [0, 3]}
    with pytest.raises(FedgroupError, match="no evaluated round"):
        summary(rows[:1], info, 4)
