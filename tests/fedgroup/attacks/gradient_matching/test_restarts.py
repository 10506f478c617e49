"""Restarts in the cache, in the log and on a terminal."""

import io
import logging
import re
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedgroup import storage
from fedgroup.attacks.gradient_matching import gradient_matching
from fedgroup.attacks.gradient_matching.gradient_matching import GradientMatching, make_poisons
from fedgroup.attacks.gradient_matching.restarts import Restarts
from fedgroup.dataset import Splits
from fedgroup.errors import FedgroupError
from tests.fedgroup.attacks.gradient_matching.quick import (
    QUICK,
    address,
    birdlike,
    poisons,
)


def test_the_first_restart_wins_a_tie() -> None:
    def images(value: int) -> Any:
        return np.full((1, 1, 1, 3), value, np.uint8)

    done = Restarts(images(0), np.zeros((0, 2), np.float32), np.zeros(0, np.float32))
    for value, last in enumerate([0.5, 0.25, 0.25, 0.75], 1):
        done = done.with_restart(images(value), np.array([1, last], np.float32), 0.0)
    assert (done.best, int(done.images[0, 0, 0, 0])) == (1, 2)


def test_an_interrupted_brew_goes_on_and_equals_an_uninterrupted_one(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    attack, whole, calls = replace(QUICK, restarts=3), gradient_matching.descend, []
    plan = attack.plan(birdlike(), address())

    def counted(*args: Any, **settings: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(*args, **settings)

    monkeypatch.setattr(gradient_matching, "descend", counted)
    with pytest.raises(KeyboardInterrupt):
        make_poisons(attack, birdlike(), plan)
    resumed = make_poisons(attack, birdlike(), plan)
    assert len(calls) == 4  # only the third restart ran again
    make_poisons(attack, birdlike(), plan)
    assert len(calls) == 4
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(gradient_matching, "descend", whole)
    straight = make_poisons(attack, birdlike(), plan)
    for name in ("images", "trace", "stored"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(straight, name))


@pytest.mark.parametrize("kind", ["gm", "surrogate"])
@pytest.mark.parametrize("damage", ["cut", "empty", "text", "other arrays", "other shapes"])
def test_a_damaged_file_is_made_again_with_a_warning(
    fresh: Path, kind: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    attack = replace(QUICK, restarts=1, steps=2)
    first = poisons(attack)
    (path,) = fresh.glob(f"{kind}-*.npz")
    data = path.read_bytes()
    if damage == "other arrays":
        np.savez(path, a=np.zeros(3))
    elif damage == "other shapes":
        with np.load(path) as stored:
            arrays = {name: stored[name].reshape(-1)[:1] for name in stored.files}
        np.savez(path, **arrays)
    else:
        path.write_bytes(
            {"cut": data[: len(data) // 2], "empty": b"", "text": b"not a zip"}[damage]
        )
    if kind == "surrogate":  # it is only looked at when something is brewed
        for other in fresh.glob("gm-*.npz"):
            other.unlink()
    with caplog.at_level(logging.WARNING):
        assert torch.equal(poisons(attack), first)
    assert re.search(rf"{kind}-\w+\.npz is damaged .*: it is made again", caplog.text)
    assert path.read_bytes()[:2] == b"PK"
    assert not list(fresh.glob("*.tmp"))


def test_what_the_poisons_depend_on_has_its_own_file(fresh: Path) -> None:
    def files(splits: Splits, attack: GradientMatching) -> set[str]:
        attack.poison(splits, address())
        return {path.name for path in fresh.glob("*.npz")}

    attack, splits = replace(QUICK, restarts=1, steps=1), birdlike()
    known = files(splits, attack)
    assert len(known) == 2
    assert files(splits, attack) == known
    test_pixel = splits.test.bank.clone()
    test_pixel[attack.plan(splits, address()).targets[0], 0, 0, 0] ^= 1
    more = files(splits._replace(test=replace(splits.test, bank=test_pixel)), attack)
    assert len(more) == 3  # other targets, the same surrogate
    train_pixel = splits.train.bank.clone()
    train_pixel[0, 0, 0, 0] ^= 1
    more = files(splits._replace(train=replace(splits.train, bank=train_pixel)), attack)
    assert len(more) == 5  # another surrogate, so other poisons
    more = files(splits, replace(attack, eps=8.0))
    assert len(more) == 6


def test_a_second_worker_waits_for_the_first(fresh: Path) -> None:
    path, order = fresh / "gm-1.npz", []
    inside = threading.Event()

    def second() -> None:
        inside.wait(10)
        with storage.exclusive(path):
            order.append("second")

    thread = threading.Thread(target=second)
    with storage.exclusive(path):
        thread.start()
        inside.set()
        thread.join(0.3)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_a_cache_that_cannot_be_written_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        FedgroupError, match="cannot write to .*: set FEDGROUP_CACHE to a writable folder"
    ):
        poisons(QUICK)


def test_restarts_are_logged(fresh: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        poisons(QUICK)
    assert re.search(r"gm restart 2/2: loss \d\.\d+ -> \d\.\d+, \d\.\d+ as stored", caplog.text)


def test_a_terminal_gets_a_bar_and_a_file_does_not(
    monkeypatch: pytest.MonkeyPatch, fresh: Path
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr(sys, "stderr", stream)
        attack = replace(QUICK, steps=3, lr=0.1 if stream.isatty() else 0.2)
        make_poisons(attack, birdlike(), attack.plan(birdlike(), address()))
        last = stream.getvalue().split("\r")[-1]
        assert last == ("gm restart 2/2 [########################]\n" if stream.isatty() else "")
