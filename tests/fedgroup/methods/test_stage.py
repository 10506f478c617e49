"""Identification phases: their predictions by hand, and what the cache keeps, continues and shares."""

import logging
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fedgroup.dataset import Ints
from fedgroup.methods import stage as stage_module
from fedgroup.seeding import rng
from fedgroup.storage import cache_dir
from fedgroup.task import Task, prepared_splits
from fedgroup.train import TrainConfig, epochs, fit
from tests.fedgroup.methods.runs import make_stage, task, watch_stages


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Epochs that identification stages really trained."""
    return watch_stages(monkeypatch)


def by_hand(only: Task, steps: int) -> tuple[list[Ints], list[Ints]]:
    """Online and eval predictions of every epoch index from a plain PyTorch loop."""
    data = prepared_splits(only).train
    model = only.model.build(2, only.seed).to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(model.parameters(), lr=only.train.lr, momentum=0.9)
    online, evaluated = [], []
    for epoch in range(1, steps + 1):
        model.eval()
        with torch.no_grad():
            evaluated.append(model(data.batch(np.arange(len(data))).x).argmax(1).numpy())
        model.train()
        order = rng(only.seed, "central", "identify", epoch).permutation(len(data))
        row = np.full(len(data), -1)
        for start in range(0, len(data), 16):
            at = order[start : start + 16]
            part = data.batch(at)
            logits = model(part.x)
            row[at] = logits.detach().argmax(1).numpy()
            optimiser.zero_grad()
            F.cross_entropy(logits, part.y).backward()
            optimiser.step()
        online.append(row)
    return online, evaluated


def test_online_and_eval_predictions_by_hand() -> None:
    """Epoch index T is 0-based: T full epochs, then the pass whose predictions count."""
    only = task(lr=0.02)
    online, evaluated = by_hand(only, 4)
    made = make_stage(only)
    for step in range(4):
        assert np.array_equal(made.predictions(step, "online"), online[step]), step
        assert np.array_equal(made.predictions(step, "eval"), evaluated[step]), step
    assert not np.array_equal(online[1], evaluated[1])


def test_predictions_follow_positions_not_order_of_identity() -> None:
    """On a subset in another order, row i still belongs to position i."""
    train = prepared_splits(task()).train
    subset = train.take(np.array([80, 3, 50, 20, 7, 83, 41, 12]))
    found = make_stage(task(), subset, lr=1e-30).predictions(0, "online")
    # one batch holds all: its statistics do not depend on the order, and the weights do not move
    model = task().model.build(2, 0).train()
    expected = model(subset.batch(np.arange(8)).x).argmax(1).numpy()
    assert np.array_equal(found, expected)


def test_a_long_stage_serves_shorter_ones_and_is_continued(trained: list[int]) -> None:
    made = make_stage(task())
    long = [made.predictions(step, "online") for step in (3, 1, 0)]
    assert trained == [1, 2, 3, 4]
    made.predictions(5, "online")
    assert trained == [1, 2, 3, 4, 5, 6]
    for file in (cache_dir() / "stages").glob("*.npz"):
        file.unlink()
    short = [make_stage(task()).predictions(step, "online") for step in (0, 1, 3)]
    assert all(np.array_equal(a, b) for a, b in zip(long, reversed(short), strict=True))
    # continued from the file after each: 1, then 2, then 3 and 4
    assert trained[6:] == [1, 2, 3, 4]


def test_workers_that_need_one_stage_make_it_once(trained: list[int]) -> None:
    start = make_stage(
        task()
    ).build()  # once: building seeds torch's generator, which threads share
    shared = replace(make_stage(task()), build=lambda: deepcopy(start))
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: shared.predictions(3, "online"), range(3)))
    assert trained == [1, 2, 3, 4]
    assert all(np.array_equal(found[0], other) for other in found)


def test_an_interrupted_stage_goes_on(trained: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make_stage(task()).predictions(4, "online")
    for file in (cache_dir() / "stages").glob("*.npz"):
        file.unlink()
    real = stage_module.save_cached

    def stopped(path: Path, values: dict[str, Any]) -> None:
        if values["epoch"] == 3:
            raise KeyboardInterrupt
        real(path, values)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(stage_module, "save_cached", stopped)
        make_stage(task()).predictions(4, "online")
    trained.clear()
    assert np.array_equal(make_stage(task()).predictions(4, "online"), whole)
    assert trained == [3, 4, 5]


def test_a_stage_is_named_by_what_it_depends_on() -> None:
    train = prepared_splits(task()).train
    relabelled = replace(train, y=1 - train.y)
    product = {"product": "online"}
    names = {
        make_stage(task()).path(product),
        make_stage(task(), lr=0.1).path(product),
        make_stage(task(seed=1)).path(product),
        make_stage(task(), relabelled).path(product),
        make_stage(task()).path({"product": "eval"}),
    }
    assert len(names) == 5
    assert make_stage(task(epochs=9)).path(product) in names


def test_a_damaged_stage_is_made_again(
    caplog: pytest.LogCaptureFixture, trained: list[int]
) -> None:
    first = make_stage(task()).predictions(1, "online")
    (file,) = (cache_dir() / "stages").glob("*.npz")
    file.write_bytes(file.read_bytes()[:300])
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(make_stage(task()).predictions(1, "online"), first)
    assert "is damaged" in caplog.text
    assert trained == [1, 2, 1, 2]


def test_train_config_is_not_shared_with_the_stage() -> None:
    """A stage ignores how long the final model trains."""
    assert make_stage(task(epochs=1)).predictions(2, "eval").tolist() == (
        make_stage(task(epochs=50)).predictions(2, "eval").tolist()
    )
    assert TrainConfig().epochs == 10


def model(seed: int = 0) -> nn.Module:
    built: nn.Module = task().model.build(2, seed)
    return built


def test_fit_is_untouched_by_the_stage() -> None:
    """One generator for all epochs in fit(), one per epoch in a stage: different shuffles by design."""
    train, config = prepared_splits(task()).train, replace(task().train, epochs=2)
    one, two = model(), model()
    fit(one, train, config, rng(0, "x"))
    shared = rng(0, "x")
    list(epochs(two, train, config, lambda _: shared))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
