import json
import math

import pytest

from experiments.results.statistics import Spread, paired_drop
from fedgroup.errors import FedgroupError
from tests.paths import CASES


def case(name: str) -> dict[str, object]:
    cases = json.loads((CASES / "federated_cases.json").read_text())["cases"]
    return next(c for c in cases if c["name"] == name)


def test_parity_case_drop() -> None:
    data = case("drop")
    base, own = data["fedavg_wga_acc"], data["defense_wga_acc"]
    for column, name in ((0, "wga"), (1, "acc")):
        drop = paired_drop([row[column] for row in base], [row[column] for row in own])  # type: ignore[attr-defined]
        assert drop.spread.mean == pytest.approx(data[f"{name}_drop_mean"], abs=1e-9)
        assert drop.spread.std == pytest.approx(data[f"{name}_drop_std_ddof1"], abs=1e-9)


def test_the_papers_std_is_the_sample_std() -> None:
    """The paper prints 13.3 ± 11.5 for {20, 20, 0}: ddof=1 gives 11.547, ddof=0 would give 9.43."""
    spread = Spread.of([20.0, 20.0, 0.0])
    assert spread.mean == pytest.approx(40 / 3)
    assert spread.std == pytest.approx(11.547, abs=1e-3)


def test_interval_by_hand() -> None:
    drop = paired_drop([10.0, 12.0, 14.0], [8.0, 11.0, 11.0])  # differences 2, 1, 3: mean 2, std 1
    assert drop.spread == Spread(2.0, 1.0, 3)
    half = 4.302652729911275 / math.sqrt(3)  # t quantile 0.975 with 2 degrees of freedom
    assert (drop.low, drop.high) == pytest.approx((2 - half, 2 + half))
    assert drop.unpaired_std == pytest.approx(math.sqrt(4 + 3))


def test_one_seed_has_no_spread() -> None:
    drop = paired_drop([50.0], [40.0])
    assert drop.spread.mean == 10
    assert math.isnan(drop.spread.std)
    assert math.isnan(drop.low)


def test_errors() -> None:
    with pytest.raises(FedgroupError, match="no finished run"):
        Spread.of([])
    with pytest.raises(FedgroupError, match="1 baseline values for 2"):
        paired_drop([1.0], [1.0, 2.0])
