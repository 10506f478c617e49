import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from fedgroup.partitions.lists import Lists
from tests.fedgroup.partitions.samples import TRAIN, data


def test_lists_from_a_file(tmp_path: Path) -> None:
    train = data((2, 2, 1, 1))
    path = tmp_path / "parts.json"
    path.write_text(json.dumps([[0, 3], [1, 2, 4, 5]]))
    assert [p.tolist() for p in Lists(str(path)).assign(train, 0)] == [[0, 3], [1, 2, 4, 5]]
    for text, words in [
        ("[[0, 1]]", "parts.json: 4 of 6 samples"),
        ('{"a": 1}', "JSON list of lists"),
        ("[[0, 'x']]", "JSON list of lists"),
        ("[]", "JSON list of lists"),
        ("[1, 2]", "client 0 is 1"),
        ("[[0, 1], [2, 3.5, 4, 5]]", "client 1 has 3.5"),
        ("[[0, true]]", "client 0 has True"),
        ("[[0, 1e3]]", "client 0 has 1000.0"),
        ("[[99999999999999999999]]", "client 0 has 9999"),
        ("[[0, -1]]", "do not all exist"),
    ]:
        path.write_text(text)
        with pytest.raises(FedgroupError, match=words):
            Lists(str(path)).assign(train, 0)
    with pytest.raises(FedgroupError, match="cannot read"):
        Lists(str(tmp_path / "none.json")).assign(train, 0)


def test_lists_from_numpy(tmp_path: Path) -> None:
    train = data((6, 2, 2, 2))
    parts = [
        np.array([0]),
        *(np.array([i]) for i in range(1, 11)),
        np.array([11]),
    ]  # arr_10 sorts before arr_2
    path = tmp_path / "parts.npz"
    np.savez(path, *parts)
    assert [p.tolist() for p in Lists(str(path)).assign(train, 0)] == [[i] for i in range(12)]
    np.savez(path, **{"1": np.arange(6), "0": np.arange(6, 12)})
    assert [p[0] for p in Lists(str(path)).assign(train, 0)] == [6, 0]
    np.savez(path, np.arange(5), np.arange(6, 12))
    with pytest.raises(FedgroupError, match="1 of 12 samples"):
        Lists(str(path)).assign(train, 0)
    assert len(Lists(str(path), complete=False).assign(train, 0)) == 2


def test_numpy_files_that_are_no_partition(tmp_path: Path) -> None:
    train = data((6, 2, 2, 2))
    path = tmp_path / "parts.npz"

    def refused(words: str) -> None:
        with pytest.raises(FedgroupError, match=words):
            Lists(str(path)).assign(train, 0)

    np.savez(path, arr_0=np.arange(6), arr_2=np.arange(6, 12))
    refused("arr_0, arr_1, .* found 0, 2")
    np.savez(path)
    refused("found none")
    np.savez(path, np.arange(12.0))
    refused("whole numbers, got float64")
    np.savez(path, np.array([{}], object), allow_pickle=True)
    refused("numpy.savez")
    path.write_bytes(b"")
    refused("numpy.savez")
    path.write_bytes(b"PK\x03\x04 cut off")
    refused("numpy.savez")
    with path.open("wb") as file:
        np.save(file, np.arange(12))
    refused("single array")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Lists().assign(TRAIN, 0), "needs a file"),
    ],
)
def test_refusals(make: Any, words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        make()
