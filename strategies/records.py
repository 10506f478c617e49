"""Model vectors as Flower records, and back."""

from typing import Any

from flwr.app import Array, ArrayRecord
from numpy.typing import NDArray

from fedgroup.layout import Weights
from fedgroup.lazy_array import live

LiveArray = live(Array)


def to_record(weights: Weights) -> ArrayRecord:
    """Flower record of a model's three vectors."""
    record = ArrayRecord()
    for name, array in weights.arrays().items():
        record[name] = LiveArray(array)  # the constructor would serialise
    return record


def from_record(record: ArrayRecord) -> dict[str, NDArray[Any]]:
    """Arrays of a Flower record, by name."""
    return {name: array.numpy() for name, array in record.items()}
