import gzip
from pathlib import Path

import numpy as np
import pytest

from fedgroup.data.fashion import Fashion
from fedgroup.data.fashion_files import DEBIAN, FILES, content_hash, find, read_garments
from fedgroup.errors import FedgroupError
from tests.fedgroup.data import fixtures


def test_torchvisions_layout_and_plain_files(tmp_path: Path) -> None:
    fixtures.fashion(tmp_path / "FashionMNIST" / "raw", 20, 10, suffix="")
    assert find(str(tmp_path)) == tmp_path / "FashionMNIST" / "raw"


def break_file(folder: Path, how: str) -> None:
    path = folder / "train-images-idx3-ubyte.gz"
    data = gzip.decompress(path.read_bytes())
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    elif how == "short":
        path.write_bytes(gzip.compress(data[:-5]))
    elif how == "magic":
        path.write_bytes(gzip.compress(b"\x00\x00\x08\x01" + data[4:]))
    elif how == "text":
        path.write_bytes(b"<html>not found</html>")
    elif how == "flipped":
        packed = bytearray(path.read_bytes())
        packed[40:60] = bytes(20)
        path.write_bytes(bytes(packed))
    elif how == "empty":
        path.write_bytes(gzip.compress(b""))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("missing", "lacks train-images-idx3-ubyte.*fedgroup data prepare fashion"),
        ("cut", "damaged or truncated"),
        ("short", "truncated"),
        ("magic", "starts with 2049, an idx file of this kind with 2051"),
        ("text", "damaged or truncated"),
        ("empty", "starts with -1"),
        ("flipped", "damaged or truncated"),
    ],
)
def test_broken_files_are_one_clear_line(how: str, words: str, tmp_path: Path) -> None:
    fixtures.fashion(tmp_path, 20, 10)
    break_file(tmp_path, how)
    with pytest.raises(FedgroupError, match=words):
        Fashion(root=str(tmp_path)).load()


def test_wrong_number_of_items(tmp_path: Path) -> None:
    fixtures.fashion(tmp_path, 20, 10)
    with pytest.raises(FedgroupError, match="holds 20 items, Fashion-MNIST has 60000"):
        Fashion(root=str(tmp_path)).load()


def test_a_label_that_is_no_garment_is_refused(tmp_path: Path) -> None:
    fixtures.fashion(tmp_path, 20, 10)
    path = tmp_path / "t10k-labels-idx1-ubyte.gz"
    data = bytearray(gzip.decompress(path.read_bytes()))
    data[-1] = 10
    path.write_bytes(gzip.compress(bytes(data)))
    with pytest.raises(FedgroupError, match=r"label 10 is none of 0\.\.9"):
        read_garments(tmp_path, counted=False)


def test_the_same_files_elsewhere_share_a_bank_and_changed_ones_do_not(tmp_path: Path) -> None:
    for name in ("one", "two"):
        fixtures.fashion(tmp_path / name, 20, 10)
    assert content_hash(tmp_path / "one") == content_hash(tmp_path / "two")
    path = tmp_path / "two" / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes() + b"x")
    assert content_hash(tmp_path / "one") != content_hash(tmp_path / "two")


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_the_real_files() -> None:
    images, labels = read_garments(DEBIAN)
    assert images.shape == (70_000, 28, 28)
    assert np.bincount(labels).tolist() == [7000] * 10
    assert set(FILES) == {p.name.removesuffix(".gz") for p in DEBIAN.glob("*.gz")}
