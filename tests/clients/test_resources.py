"""What a run may use."""

from typing import Any

import pytest

from clients.resources import Resources
from fedgroup.errors import FedgroupError


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"workers": 0}, "workers 0"),
        ({"threads": 0}, "threads 0"),
        ({"gpus_per_client": -1.0}, "gpus-per-client must lie in"),
        ({"gpus_per_client": float("nan")}, "gpus-per-client must lie in"),
    ],
)
def test_resources_refuse_nonsense(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        Resources(**settings)
