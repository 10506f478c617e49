from pathlib import Path

import numpy as np
import pytest
import torch

from fedgroup.data.synthbirds import CHUNK, Synthbirds
from fedgroup.errors import FedgroupError
from fedgroup.storage import cache_dir


@pytest.fixture(scope="module")
def birds() -> object:
    return Synthbirds().load()


def test_group_counts_are_waterbirds(birds: object) -> None:
    counts = [part.group_counts().tolist() for part in birds]  # type: ignore[attr-defined]
    assert counts == [[3498, 184, 56, 1057], [467, 466, 133, 133], [2255, 2255, 642, 642]]


def test_columns_fit_together(birds: object) -> None:
    for part in birds:  # type: ignore[attr-defined]
        assert np.array_equal(part.y, part.group // 2)
        assert part.pixels(np.arange(2)).shape == (2, 32, 32, 3)
        assert part.info.train_counts == (3498, 184, 56, 1057)
        assert not part.poison.any()
    rows = np.concatenate([part.row for part in birds])  # type: ignore[attr-defined]
    assert len(np.unique(rows)) == 11_788  # splits share no picture


def test_groups_are_mixed_within_a_split(birds: object) -> None:
    train = birds.train  # type: ignore[attr-defined]
    assert 0.7 < float(np.mean(train.group[:500] == 0)) < 0.76


def test_scene_follows_a_and_not_y(birds: object) -> None:
    """Blue minus red separates water from land, and says nothing of the bird's class."""
    test = birds.test  # type: ignore[attr-defined]
    pixels = test.pixels(np.arange(len(test))).float()
    blueness = (pixels[..., 2] - pixels[..., 0]).mean((1, 2)).numpy()
    place = test.group % 2
    assert blueness[place == 1].mean() > blueness[place == 0].mean() + 20
    for value in (0, 1):
        of_place = blueness[place == value]
        y = test.y[place == value]
        assert abs(of_place[y == 0].mean() - of_place[y == 1].mean()) < 4


def test_same_seed_same_bytes_and_one_bank(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, birds: object
) -> None:
    first = birds.train.bank  # type: ignore[attr-defined]
    (folder,) = cache_dir().glob("synthbirds-32-s0-*")
    stamp = (folder / "pixels.npy").stat().st_mtime_ns
    assert torch.equal(Synthbirds().load().train.bank, first)
    assert (folder / "pixels.npy").stat().st_mtime_ns == stamp  # mapped again, not rendered again
    group, split = np.array([0, 3, 1, 2] * 4), np.zeros(16, np.int64)
    one = next(Synthbirds(seed=0)._render(group, split))
    assert np.array_equal(one, next(Synthbirds(seed=0)._render(group, split)))
    assert not np.array_equal(one, next(Synthbirds(seed=1)._render(group, split)))


def test_chunks_have_their_own_address() -> None:
    """The first chunk's pictures do not depend on how many follow it."""
    group = np.resize(np.array([0, 3, 1, 2]), CHUNK + 8)
    long = next(Synthbirds()._render(group, np.zeros(len(group), np.int64)))
    short = next(Synthbirds()._render(group[:CHUNK], np.zeros(CHUNK, np.int64)))
    assert np.array_equal(long, short)


def test_pixels_do_not_depend_on_the_number_of_threads() -> None:
    """MKL's inverse FFT rounds otherwise with one thread; the renderer holds two for that one call."""
    group, split = np.resize(np.array([0, 3, 1, 2]), 256), np.zeros(256, np.int64)
    before = torch.get_num_threads()
    blocks = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            blocks.append(next(Synthbirds()._render(group, split)))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(blocks[0], blocks[1])
    assert np.array_equal(blocks[1], blocks[2])


def test_64_pixels() -> None:
    block = next(Synthbirds(size=64)._render(np.array([0, 1, 2, 3]), np.zeros(4, np.int64)))
    assert block.shape == (4, 64, 64, 3)


def test_other_sizes_are_refused() -> None:
    with pytest.raises(FedgroupError, match="sizes 32 and 64, not 48"):
        Synthbirds(size=48)
    with pytest.raises(FedgroupError, match="data seed must be at least 0, got -1"):
        Synthbirds(seed=-1)
