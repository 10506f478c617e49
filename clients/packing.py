"""Flower records as plain containers over numpy arrays, which Ray shares without copying."""

from typing import Any

from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from fedgroup.lazy_array import lazy_array_class

Packed = dict[str, tuple[str, dict[str, Any]]]
"""Record name -> its kind (arrays, metrics, config) and its values."""

LazyArray = lazy_array_class(Array)


def pack(content: RecordDict) -> Packed:
    """Take records apart; arrays are shared, not copied."""
    packed: Packed = {}
    for name, record in content.items():
        if isinstance(record, ArrayRecord):
            packed[name] = ("arrays", {key: array.numpy() for key, array in record.items()})
        else:
            packed[name] = (
                "metrics" if isinstance(record, MetricRecord) else "config",
                dict(record),
            )
    return packed


def unpack(packed: Packed) -> RecordDict:
    """Put packed records together again; arrays are shared, not copied, and read-only."""
    content = RecordDict()
    for name, (kind, values) in packed.items():
        if kind == "arrays":
            content[name] = record = ArrayRecord()
            for key, array in values.items():
                record[key] = LazyArray(array)
        else:
            content[name] = MetricRecord(values) if kind == "metrics" else ConfigRecord(values)
    return content
