"""The run config of the ServerApp."""

from typing import Any

import pytest

from fedgroup.errors import FedgroupError
from strategies.server_app import read_timeout


def test_the_timeout_is_an_hour_unless_told() -> None:
    assert read_timeout("") == 3600.0
    assert read_timeout(20) == 20.0


@pytest.mark.parametrize("value", [0, -1.0, True, "soon", float("inf"), float("nan")])
def test_a_timeout_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(FedgroupError, match="must be a positive number of seconds"):
        read_timeout(value)
