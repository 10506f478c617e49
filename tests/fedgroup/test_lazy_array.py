"""Live arrays: numpy arrays until somebody needs bytes, then exactly Flower's."""

import pickle

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, RecordDict

from fedgroup.lazy_array import lazy_array_class

LazyArray = lazy_array_class(Array)
VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_bytes_are_flowers_own() -> None:
    ours, theirs = LazyArray(VALUES), Array(VALUES)
    assert (ours.dtype, ours.shape, ours.stype) == (theirs.dtype, theirs.shape, theirs.stype)
    assert ours.data == theirs.data
    assert ours.deflate() == theirs.deflate()
    assert ours.object_id == theirs.object_id
    assert ours == theirs


def test_a_record_of_live_arrays_inflates_as_a_plain_one() -> None:
    record = ArrayRecord()
    record["theta"] = LazyArray(VALUES)
    plain = ArrayRecord({"theta": Array(VALUES)})
    assert RecordDict({"a": record}).object_id == RecordDict({"a": plain}).object_id


def test_numpy_shares_memory_and_cannot_be_written() -> None:
    array = LazyArray(VALUES).numpy()
    assert np.shares_memory(array, VALUES)
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1
    VALUES[0, 0] = 0  # the owner still may


def test_pickles_as_a_plain_array() -> None:
    again = pickle.loads(pickle.dumps(LazyArray(VALUES)))
    assert type(again) is Array
    assert np.array_equal(again.numpy(), VALUES)


def test_the_class_is_made_once() -> None:
    assert lazy_array_class(Array) is LazyArray
