"""Gradient matching end to end on a set with Waterbirds' group counts and 8 px images."""

import io
import logging
import re
import sys
import threading
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fedgroup import cache as attack_cache
from fedgroup.attacks import NAMES
from fedgroup.attacks.attack import manifest
from fedgroup.attacks.gradient_matching import gradient_matching
from fedgroup.attacks.gradient_matching.gradient_matching import GradientMatching, brew
from fedgroup.attacks.gradient_matching.restarts import Brew
from fedgroup.attacks.gradient_matching.surrogate import Surrogate, SurrogateTraining
from fedgroup.dataset import GroupedDataset, Splits
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import selection_rates
from fedgroup.seeding import rng
from fedgroup.spec import build, resolve, to_dict
from tests.toy import INFO, ToyModel

COUNTS = ((3498, 184, 56, 1057), (4, 4, 4, 4), (30, 30, 8, 8))
SURROGATE = Surrogate(ToyModel(), SurrogateTraining(epochs=1, lr=0.05))
QUICK = GradientMatching(restarts=2, steps=12, surrogate=SURROGATE)


@cache
def birdlike() -> Splits:
    generator, parts = rng(0, "birdlike"), []
    info = replace(INFO, train_counts=COUNTS[0])
    for counts in COUNTS:
        group = generator.permutation(np.repeat(np.arange(4), counts))
        images = generator.integers(0, 150, (len(group), 8, 8, 3))
        images += (group // 2 * 50)[:, None, None, None]
        images[..., 0] += (group % 2 * 50)[:, None, None]
        bank = torch.from_numpy(images.clip(0, 255).astype(np.uint8))
        parts.append(GroupedDataset.clean(bank, np.arange(len(group)), group // 2, group, info))
    return Splits(*parts)


def address(seed: int = 0) -> np.random.Generator:
    return rng(seed, "attack")


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of its own."""
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "attacks"


def poisons(attack: GradientMatching, seed: int = 0) -> torch.Tensor:
    extra = attack.poison(birdlike(), address(seed)).train.extra
    assert extra is not None
    return extra


def test_only_47_bases_of_lrg_1_change_and_nothing_but_their_pixels() -> None:
    before = birdlike()
    after = QUICK.poison(before, address())
    assert (after.val, after.test) == (before.val, before.test)
    train = after.train
    for column in ("y", "group", "index"):
        np.testing.assert_array_equal(getattr(train, column), getattr(before.train, column))
    bases = np.flatnonzero(train.poison)
    assert len(bases) == 47  # floor(1 % of 4795)
    assert set(before.train.group[bases]) == {2}
    assert set(train.y[bases]) == {1}
    clean = ~train.poison
    np.testing.assert_array_equal(train.row[clean], before.train.row[clean])
    assert train.bank is before.train.bank
    change = train.pixels(bases).int() - before.train.pixels(bases).int()
    assert 0 < change.abs().max() <= 16
    # the denominator of LRG-1 is the 9 untouched images; poisons are a cell of their own
    assert train.group_counts().tolist() == [3498, 184, 9, 1057]
    one = np.zeros(len(train), np.bool_)
    one[np.flatnonzero(clean & (train.group == 2))[:1]] = True
    rates = selection_rates(one, train.group, train.poison, train.info.tiers)
    assert rates == {"LRG-1": pytest.approx(100 / 9), "LRG-2": 0, "HRG": 0, "poisons": 0}


def test_the_manifest_keeps_labels_and_hashes_pixels() -> None:
    before, after = birdlike(), QUICK.poison(birdlike(), address())
    listed = manifest(before.train, after.train)
    assert (listed["insert"], listed["count"]) == ("replace", 47)
    assert {(p["old_label"], p["new_label"], p["base_group"]) for p in listed["poisons"]} == {
        (1, 1, 2)
    }
    assert all(p["base"] == p["position"] for p in listed["poisons"])
    assert len({p["pixels"] for p in listed["poisons"]}) == 47


@pytest.mark.parametrize("eps", [0.0, 1.5, 16.0, 255.0])
def test_changes_stay_within_eps_after_rounding(eps: float) -> None:
    attack = replace(QUICK, eps=eps, restarts=1, steps=3)
    bases = attack.plan(birdlike(), address()).bases
    change = (poisons(attack).int() - birdlike().train.pixels(bases).int()).abs().max().item()
    assert change <= eps
    assert (change == 0) == (eps == 0)


def test_brewing_lowers_the_loss_and_keeps_the_best_restart() -> None:
    done = brew(QUICK, birdlike(), QUICK.plan(birdlike(), address()))
    assert done.trace.shape == (2, 12)
    assert (done.scores < done.trace[:, 0]).all()
    assert (done.stored < done.trace[:, 0]).all()  # the bytes on disk are as good
    assert done.best == int(np.argmin(done.trace[:, -1]))
    for number in range(2):  # more restarts do not change the earlier ones
        alone = brew(
            replace(QUICK, restarts=number + 1), birdlike(), QUICK.plan(birdlike(), address())
        )
        np.testing.assert_array_equal(alone.trace, done.trace[: number + 1])
        if number == done.best:
            np.testing.assert_array_equal(alone.images, done.images)


def test_the_first_restart_wins_a_tie() -> None:
    def images(value: int) -> Any:
        return np.full((1, 1, 1, 3), value, np.uint8)

    done = Brew(images(0), np.zeros((0, 2), np.float32), np.zeros(0, np.float32))
    for value, last in enumerate([0.5, 0.25, 0.25, 0.75], 1):
        done = done.plus(images(value), np.array([1, last], np.float32), 0.0)
    assert (done.best, int(done.images[0, 0, 0, 0])) == (1, 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"loss": "cosine1"},
        {"loss": "scalar_product"},
        {"loss": "SE"},
        {"loss": "MSE"},
        {"augment": "official"},
        {"precision": "bfloat16"},
        {"chunk": 20},
        {"batch": 20, "lr": 2.56},
        {"targets": 50},
    ],
)
def test_every_option_lowers_its_loss(changes: dict[str, Any]) -> None:
    attack = replace(QUICK, restarts=1, **changes)
    done = brew(attack, birdlike(), attack.plan(birdlike(), address()))
    assert done.scores[0] < done.trace[0, 0]


def test_the_step_length_follows_the_batch_option() -> None:
    halved, quartered = replace(QUICK, lr=0.05), replace(QUICK, batch=256)
    assert torch.equal(poisons(halved), poisons(quartered))  # 47 poisons fit both batches


def test_chunks_change_nothing_but_rounding() -> None:
    traces = []
    for chunk in (None, 20):
        attack = replace(QUICK, restarts=1, chunk=chunk)
        traces.append(brew(attack, birdlike(), attack.plan(birdlike(), address())).trace)
    np.testing.assert_allclose(traces[0], traces[1], rtol=1e-3)


def test_bfloat16_is_close_to_float32() -> None:
    traces = []
    for precision in ("float32", "bfloat16"):
        attack = replace(QUICK, restarts=1, precision=precision)
        traces.append(brew(attack, birdlike(), attack.plan(birdlike(), address())).trace)
    assert abs(traces[0][0, 0] - traces[1][0, 0]) < 0.02


def test_the_same_generator_gives_the_same_bytes_and_another_does_not(fresh: Path) -> None:
    first = poisons(QUICK)
    for path in fresh.iterdir():
        path.unlink()
    assert torch.equal(poisons(QUICK), first)
    assert not torch.equal(poisons(QUICK, seed=1), first)


def test_fewer_targets_are_among_more_and_leave_the_bases() -> None:
    few = QUICK.plan(birdlike(), address())
    many = replace(QUICK, targets=40).plan(birdlike(), address())
    assert set(few.targets) < set(many.targets)
    np.testing.assert_array_equal(few.bases, many.bases)
    rarer = replace(QUICK, fraction=0.004).plan(birdlike(), address())
    assert len(rarer.bases) == 19 and set(rarer.bases) < set(few.bases)
    assert set(birdlike().test.y[many.targets]) == {0}
    assert set(birdlike().test.group[many.targets]) == {0, 1}


def test_success_counts_the_drawn_targets_that_are_misclassified() -> None:
    clean = birdlike()
    poisoned = QUICK.poison(clean, address())
    targets = QUICK.plan(clean, address()).targets
    seen: list[np.ndarray] = []

    def predict(view: GroupedDataset) -> Any:
        seen.append(view.index)
        return np.where(np.arange(len(view)) < 2, 1, 0)

    counts = QUICK.success(
        predict, poisoned, address()
    )  # the poisoned splits give the same targets
    np.testing.assert_array_equal(seen[0], targets)
    group = clean.test.group[targets]
    assert counts.total == tuple(int((group == g).sum()) for g in range(4))
    assert counts.correct == tuple(int((group[:2] == g).sum()) for g in range(4))
    assert (sum(counts.correct), sum(counts.total)) == (2, 5)
    assert QUICK.paired is False


# --- the cache ---------------------------------------------------------------------------------------


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
        brew(attack, birdlike(), plan)
    resumed = brew(attack, birdlike(), plan)
    assert len(calls) == 4  # only the third restart ran again
    brew(attack, birdlike(), plan)
    assert len(calls) == 4
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path / "other"))
    monkeypatch.setattr(gradient_matching, "descend", whole)
    straight = brew(attack, birdlike(), plan)
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
        with attack_cache.alone(path):
            order.append("second")

    thread = threading.Thread(target=second)
    with attack_cache.alone(path):
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
        brew(attack, birdlike(), attack.plan(birdlike(), address()))
        last = stream.getvalue().split("\r")[-1]
        assert last == ("gm restart 2/2 [########################]\n" if stream.isatty() else "")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("augment", ["off", "official"])
def test_cuda_brews_the_same_way(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, augment: Any
) -> None:
    attack, traces = replace(QUICK, augment=augment), []
    plan = attack.plan(birdlike(), address())
    for device in (
        "cpu",
        "cuda",
    ):  # the surrogate of the first run is stored, so both brew with one
        monkeypatch.setenv("FEDGROUP_DEVICE", device)
        for path in fresh.glob("gm-*.npz"):
            path.unlink()
        traces.append(brew(attack, birdlike(), plan).trace)
    np.testing.assert_allclose(traces[0][:, 0], traces[1][:, 0], rtol=1e-2)
    assert (traces[1][:, -1] < traces[1][:, 0]).all()


# --- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eps": -1.0}, r"eps .* must lie in \[0, 255\], got -1.0"),
        ({"eps": 255.5}, r"must lie in \[0, 255\], got 255.5"),
        ({"eps": float("nan")}, r"must lie in \[0, 255\], got nan"),
        ({"loss": "cosine"}, "no loss called 'cosine'; did you mean 'cosine1'"),
        ({"augment": "on"}, "no augment called 'on'"),
        ({"precision": "float16"}, "no precision called 'float16'"),
        ({"lr": 0.0}, "lr must be positive and finite, got 0.0"),
        ({"lr": float("inf")}, "lr must be positive and finite, got inf"),
        ({"targets": 0}, "targets must be at least 1, got 0"),
        ({"restarts": 0}, "restarts must be at least 1, got 0"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"batch": 0}, "batch must be at least 1, got 0"),
        ({"chunk": 0}, "chunk must be at least 1, got 0"),
        ({"fraction": 0.0}, r"fraction of poisons must lie in \(0, 1\], got 0.0"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(FedgroupError, match=message):
        GradientMatching(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fraction": 0.0002}, "is no poison at all: use at least"),
        (
            {"fraction": 0.02},
            "95 poisons need 95 bases, LRG-1 has 56 training samples: lower the fraction",
        ),
        (
            {"targets": 61},
            "61 targets asked for, the test split has 60 images of class a: set targets to at most 60",
        ),
    ],
)
def test_data_that_do_not_allow_the_attack(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(FedgroupError, match=message):
        replace(QUICK, **settings).poison(birdlike(), address())


def test_a_poisoned_set_is_refused_before_anything_is_brewed(fresh: Path) -> None:
    once = replace(QUICK, restarts=1, steps=1).poison(birdlike(), address())
    before = sorted(fresh.iterdir())
    with pytest.raises(FedgroupError, match="already holds 47 poisons: a run has one attack"):
        QUICK.poison(once, address())
    assert sorted(fresh.iterdir()) == before


def test_columns_that_contradict_each_other_are_refused() -> None:
    train = birdlike().train
    relabelled = replace(train, y=np.where(train.group == 2, 0, train.y))
    with pytest.raises(FedgroupError, match="a sample of LRG-1 does not have its class b"):
        QUICK.poison(birdlike()._replace(train=relabelled), address())


def test_a_surrogate_that_diverges_is_refused(fresh: Path) -> None:
    wild = Surrogate(ToyModel(), SurrogateTraining(epochs=1, lr=1e30))
    with pytest.raises(
        FedgroupError, match=r"surrogate's training diverged .* lower surrogate.train.lr"
    ):
        poisons(replace(QUICK, surrogate=wild))
    assert not list(fresh.glob("surrogate-*.npz"))
    with pytest.raises(FedgroupError, match="seed must be at least 0"):
        Surrogate(seed=-1)


@dataclass(frozen=True)
class FrozenModel:
    """A network whose first layer does not learn."""

    def build(self, classes: int, seed: int) -> nn.Module:
        net = ToyModel().build(classes, seed)
        net.conv.requires_grad_(False)
        return net


def test_a_frozen_surrogate_is_refused_by_name() -> None:
    attack = replace(QUICK, surrogate=replace(SURROGATE, model=FrozenModel()))
    with pytest.raises(FedgroupError, match="'conv.weight' is frozen"):
        poisons(attack)


# --- settings ----------------------------------------------------------------------------------------


def test_settings_are_read_from_text_and_the_defaults_are_the_papers() -> None:
    cls = resolve(NAMES, "gm")
    attack = build(cls, {"eps": 8, "surrogate": {"model": "resnet18", "train": {"epochs": 3}}})
    assert isinstance(attack, GradientMatching)
    assert (attack.surrogate.train.lr, attack.surrogate.train.weight_decay) == (
        1e-3,
        1e-4,
    )  # still A13's
    assert build(cls, to_dict(attack)) == attack
    assert build(cls, to_dict(attack, defaults=False)) == attack
    paper = GradientMatching()
    assert (paper.eps, paper.restarts, paper.steps, paper.lr, paper.targets) == (16, 8, 250, 0.1, 5)
    with pytest.raises(FedgroupError, match="loss"):
        build(cls, {"loss": "cosine"})
