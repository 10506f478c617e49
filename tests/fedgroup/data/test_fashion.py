from pathlib import Path

import numpy as np
import pytest

from fedgroup.data.fashion import GARMENTS, Fashion, choose
from fedgroup.data.fashion_files import read_garments
from fedgroup.errors import FedgroupError
from tests.fedgroup.data import fixtures


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fixtures.fashion(tmp_path_factory.mktemp("fashion"))


def test_counts_and_classes_on_generated_files(files: Path) -> None:
    splits = Fashion(root=str(files)).load()
    assert [p.group_counts().tolist() for p in splits] == [
        [3498, 184, 56, 1057],
        [467, 466, 133, 133],
        [2255, 2255, 642, 642],
    ]
    assert splits.train.size == (32, 32)


def test_every_garment_is_used_once_and_is_of_its_class(files: Path) -> None:
    _, labels = read_garments(files)
    y = np.array([0, 1, 0, 1, 1, 0] * 500)
    chosen = choose(labels, y, 0)
    assert len(np.unique(chosen)) == len(y)
    for value, kinds in enumerate(GARMENTS):
        assert set(labels[chosen[y == value]].tolist()) <= set(kinds)
    assert np.array_equal(chosen, choose(labels, y, 0))
    assert not np.array_equal(chosen, choose(labels, y, 1))


def test_a_pool_too_small_is_refused(tmp_path: Path) -> None:
    fixtures.fashion(tmp_path, 200, 100)
    images, labels = read_garments(tmp_path, counted=False)
    assert len(images) == 300
    with pytest.raises(
        FedgroupError, match="needs 31 garments of class trousers, the files hold 30"
    ):
        choose(labels, np.ones(31, np.int64), 0)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FedgroupError, match="no Fashion-MNIST files found"):
        Fashion(root=str(tmp_path)).load()
    with pytest.raises(FedgroupError, match="sizes 32 and 64"):
        Fashion(size=28)
    with pytest.raises(FedgroupError, match="data seed must be at least 0, got -1"):
        Fashion(seed=-1)
