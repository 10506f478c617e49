"""Records taken apart for Ray and put together again."""

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from clients.packing import LazyArray, pack, unpack


def test_packed_records_share_memory_and_come_back_equal() -> None:
    array = np.arange(6, dtype=np.float32)
    arrays = ArrayRecord()
    arrays["theta"] = LazyArray(array)
    content = RecordDict(
        {
            "arrays": arrays,
            "metrics": MetricRecord({"n": 3, "list": [1, 2]}),
            "config": ConfigRecord({"a": "b"}),
        }
    )
    packed = pack(content)
    assert np.shares_memory(packed["arrays"][1]["theta"], array)
    again = unpack(packed)
    assert np.shares_memory(again.array_records["arrays"]["theta"].numpy(), array)
    assert dict(again["metrics"]) == {"n": 3, "list": [1, 2]}
    assert dict(again["config"]) == {"a": "b"}
