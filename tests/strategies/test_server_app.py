"""The run config of the ServerApp."""

from typing import Any

import pytest

from fedgroup.errors import FedgroupError
from strategies.rules.trimmed_mean import TrimmedMean
from strategies.server_app import read_config, read_timeout


def test_the_timeout_is_an_hour_unless_told() -> None:
    assert read_timeout("") == 3600.0
    assert read_timeout(20) == 20.0


@pytest.mark.parametrize("value", [0, -1.0, True, "soon", float("inf"), float("nan")])
def test_a_timeout_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(FedgroupError, match="must be a positive number of seconds"):
        read_timeout(value)


def test_no_setting_of_a_run_config_is_lost_by_its_order() -> None:
    pair = {"federation.aggregator.trim": 1, "federation.aggregator.use": "trimmed_mean"}
    for config in (pair, dict(reversed(pair.items()))):
        _, federation, _ = read_config({**config, "results": "/tmp"})
        assert federation.aggregator == TrimmedMean(trim=1)
    with pytest.raises(FedgroupError, match=r"give federation\.rounds two values"):
        read_config({"set": "federation.rounds=2 federation.rounds=3", "results": "/tmp"})
