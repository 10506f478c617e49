"""Gradient matching end to end on a set with Waterbirds' group counts and 8 px images."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedgroup.attacks import NAMES
from fedgroup.attacks.attack import manifest
from fedgroup.attacks.gradient_matching.gradient_matching import GradientMatching, make_poisons
from fedgroup.dataset import GroupedDataset
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import tier_rates
from fedgroup.spec import build, resolve, to_dict
from tests.fedgroup.attacks.gradient_matching.quick import QUICK, address, birdlike, poisons


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
    # the denominator of LRG-1 is the 9 untouched images; poisons are apart
    assert train.group_counts().tolist() == [3498, 184, 9, 1057]
    one = np.zeros(len(train), np.bool_)
    one[np.flatnonzero(clean & (train.group == 2))[:1]] = True
    rates = tier_rates(one, train)
    assert rates.pop("HRG same class") == 0
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
    done = make_poisons(QUICK, birdlike(), QUICK.plan(birdlike(), address()))
    assert done.trace.shape == (2, 12)
    assert (done.scores < done.trace[:, 0]).all()
    assert (done.stored < done.trace[:, 0]).all()  # the bytes on disk are as good
    assert done.best == int(np.argmin(done.trace[:, -1]))
    for number in range(2):  # more restarts do not change the earlier ones
        alone = make_poisons(
            replace(QUICK, restarts=number + 1), birdlike(), QUICK.plan(birdlike(), address())
        )
        np.testing.assert_array_equal(alone.trace, done.trace[: number + 1])
        if number == done.best:
            np.testing.assert_array_equal(alone.images, done.images)


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
    done = make_poisons(attack, birdlike(), attack.plan(birdlike(), address()))
    assert done.scores[0] < done.trace[0, 0]


def test_the_step_length_follows_the_batch_option() -> None:
    halved, quartered = replace(QUICK, lr=0.05), replace(QUICK, batch=256)
    assert torch.equal(poisons(halved), poisons(quartered))  # 47 poisons fit both batches


def test_chunks_change_nothing_but_rounding() -> None:
    traces = []
    for chunk in (None, 20):
        attack = replace(QUICK, restarts=1, chunk=chunk)
        traces.append(make_poisons(attack, birdlike(), attack.plan(birdlike(), address())).trace)
    np.testing.assert_allclose(traces[0], traces[1], rtol=1e-3)


def test_bfloat16_is_close_to_float32() -> None:
    traces = []
    for precision in ("float32", "bfloat16"):
        attack = replace(QUICK, restarts=1, precision=precision)
        traces.append(make_poisons(attack, birdlike(), attack.plan(birdlike(), address())).trace)
    assert abs(traces[0][0, 0] - traces[1][0, 0]) < 0.02


def test_the_same_generator_gives_the_same_bytes_and_another_does_not(fresh: Path) -> None:
    first = poisons(QUICK)
    for path in fresh.iterdir():
        path.unlink()
    assert torch.equal(poisons(QUICK), first)
    assert not torch.equal(poisons(QUICK, seed=1), first)


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
        traces.append(make_poisons(attack, birdlike(), plan).trace)
    np.testing.assert_allclose(traces[0][:, 0], traces[1][:, 0], rtol=1e-2)
    assert (traces[1][:, -1] < traces[1][:, 0]).all()


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


def test_a_poisoned_set_is_refused_before_anything_is_brewed(fresh: Path) -> None:
    once = replace(QUICK, restarts=1, steps=1).poison(birdlike(), address())
    before = sorted(fresh.iterdir())
    with pytest.raises(FedgroupError, match="already holds 47 poisons: a run has one attack"):
        QUICK.poison(once, address())
    assert sorted(fresh.iterdir()) == before


def test_settings_are_read_from_text_and_the_defaults_are_the_papers() -> None:
    cls = resolve(NAMES, "gm")
    attack = build(cls, {"eps": 8, "surrogate": {"model": "resnet18", "train": {"epochs": 3}}})
    assert isinstance(attack, GradientMatching)
    assert (attack.surrogate.train.lr, attack.surrogate.train.weight_decay) == (
        1e-3,
        1e-4,
    )
    assert build(cls, to_dict(attack)) == attack
    assert build(cls, to_dict(attack, defaults=False)) == attack
    paper = GradientMatching()
    assert (paper.eps, paper.restarts, paper.steps, paper.lr, paper.targets) == (16, 8, 250, 0.1, 5)
    with pytest.raises(FedgroupError, match="loss"):
        build(cls, {"loss": "cosine"})
