"""JTT as a whole: its two phases, its limits (plain training), the three cases and the cached stage."""

import logging
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.methods import stage as stage_module
from fedgroup.methods.central_run import centralise
from fedgroup.methods.erm import ERM
from fedgroup.methods.identification import error_set, idnf
from fedgroup.methods.jtt import JTT, weighted
from fedgroup.methods.stage import Stage
from fedgroup.paths import cache_dir
from fedgroup.run_directory import read_json, read_lines
from fedgroup.seeding import rng
from fedgroup.spec import build
from fedgroup.task import Task, prepared_splits
from fedgroup.train import TrainConfig, epochs
from tests.fedgroup.methods.cases import batch
from tests.fedgroup.methods.runs import arrays, task


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDGROUP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Epochs that identification stages really trained."""
    numbers: list[int] = []

    def watched(*args: Any, **kwargs: Any) -> Any:
        for epoch in epochs(*args, **kwargs):
            numbers.append(epoch.number)
            yield epoch

    monkeypatch.setattr(stage_module, "epochs", watched)
    return numbers


def final(folder: Path) -> list[dict[str, Any]]:
    return read_lines(folder, "rounds")


def selected(folder: Path) -> dict[str, Any]:
    return read_lines(folder, "selections")[0]


def make_stage(only: Task, data: GroupedDataset | None = None, **changes: Any) -> Stage:
    train = prepared_splits(only).train if data is None else data
    return Stage(
        lambda: only.model.build(2, only.seed).to(memory_format=torch.channels_last),
        train,
        replace(only.train, **changes),
        lambda epoch: rng(only.seed, "central", "identify", epoch),
        (only.seed, "central", "identify"),
        torch.device("cpu"),
    )


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


def test_one_stage_serves_three_cases_and_every_factor(tmp_path: Path, trained: list[int]) -> None:
    for case in ("standard", "ideal", "worst"):
        for factor in (1, 2):
            centralise(task(), JTT(identify_epochs=2, upsample=factor, case=case), tmp_path)  # type: ignore[arg-type]
    assert trained == [1, 2, 3]


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
    real = stage_module.save

    def stopped(path: Path, values: dict[str, Any]) -> None:
        if values["epoch"] == 3:
            raise KeyboardInterrupt
        real(path, values)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(stage_module, "save", stopped)
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


def test_without_errors_jtt_is_erm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = centralise(task(), ERM(), tmp_path)
    monkeypatch.setattr(Stage, "predictions", lambda self, step, how: self.data.y.copy())
    twice = centralise(task(), JTT(), tmp_path)
    assert selected(twice)["found"]["HRG"][0] == 0
    assert final(plain) == final(twice)
    assert arrays(plain, "checkpoint").keys() == arrays(twice, "checkpoint").keys()
    for name, value in arrays(plain, "checkpoint").items():
        assert np.array_equal(value, arrays(twice, "checkpoint")[name]), name


@pytest.mark.parametrize(
    "settings",
    [{"upsample": 0}, {"upsample": 1, "amplify": "total"}, {"upsample": 1, "amplify": "weights"}],
)
def test_a_factor_that_adds_nothing_is_erm(settings: dict[str, Any], tmp_path: Path) -> None:
    plain = centralise(task(), ERM(), tmp_path)
    twice = centralise(task(), JTT(identify_epochs=1, **settings), tmp_path)
    assert sum(selected(twice)["found"]["HRG"]) > 0
    if settings.get("amplify") == "weights":  # a mean of products: equal up to float rounding
        for ours, theirs in zip(final(twice)[1:], final(plain)[1:], strict=True):
            assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-4)
    else:
        assert final(plain) == final(twice)


def test_amplified_samples_lengthen_the_epoch(tmp_path: Path) -> None:
    folder = centralise(task(), JTT(identify_epochs=1, upsample=5), tmp_path)
    used = sum(n for name, (n, _) in selected(folder)["used"].items() if name != "HRG same class")
    assert used > 0
    assert final(folder)[1]["samples"] == 84 + 5 * used


def test_the_three_cases_differ_in_poisons_only(tmp_path: Path) -> None:
    masks, lines = {}, {}
    for case in ("ideal", "standard", "worst"):
        folder = centralise(task(), JTT(identify_epochs=1, upsample=2, case=case), tmp_path)  # type: ignore[arg-type]
        masks[case], lines[case] = arrays(folder, "selection-amplify"), selected(folder)
    poison = prepared_splits(task()).train.poison
    used = {case: found["used"] for case, found in masks.items()}
    assert not (used["ideal"] & ~used["standard"]).any()
    assert not (used["standard"] & ~used["worst"]).any()
    assert all(np.array_equal(m[~poison], used["standard"][~poison]) for m in used.values())
    assert lines["ideal"]["used"]["poisons"] == [0, 4]
    assert lines["worst"]["used"]["poisons"] == [4, 4]
    assert all(np.array_equal(found["found"], used["standard"]) for found in masks.values())
    assert len({str(line["found"]) for line in lines.values()}) == 1


def test_the_result_names_idnf(tmp_path: Path) -> None:
    folder = centralise(task(), JTT(identify_epochs=1, upsample=2, case="worst"), tmp_path)
    result = read_json(folder / "result.json")
    found = selected(folder)
    assert (found["kind"], found["step"]) == ("amplify", 1)
    n, of = found["found"]["LRG-1"]
    assert of == 4
    assert result["idnf"]["LRG-1"] == 100 * n / of
    assert result["amplified"]["poisons"] == 100.0


def test_identification_has_its_own_settings(tmp_path: Path, trained: list[int]) -> None:
    centralise(task(), JTT(identify_epochs=1, upsample=2), tmp_path)
    centralise(task(lr=0.01), JTT(identify_epochs=1, upsample=2, identify_lr=0.05), tmp_path)
    assert trained == [1, 2]  # the second run's stage is the first run's
    centralise(task(), JTT(identify_epochs=1, upsample=2, identify_batch_size=8), tmp_path)
    centralise(task(), JTT(identify_epochs=1, upsample=2, identify_weight_decay=0.5), tmp_path)
    assert trained == [1, 2] * 3


def test_weighted_loss_by_hand() -> None:
    train = prepared_splits(task()).train
    used = np.zeros(84, np.bool_)
    used[[1, 3]] = True
    part = batch([0, 1, 1], [0, 3, 3], [0, 1, 2])
    logits = torch.tensor([[2.0, 0.0], [0.5, 1.0], [0.0, 0.0]])
    each = [-float(torch.log_softmax(logits, 1)[i, y]) for i, y in enumerate((0, 1, 1))]
    expected = (each[0] + 7 * each[1] + each[2]) / 3
    assert float(weighted(train, used, 7, "cpu")(logits, part)) == pytest.approx(expected, abs=1e-6)


def test_train_config_is_not_shared_with_the_stage() -> None:
    """A stage ignores how long the final model trains."""
    assert make_stage(task(epochs=1)).predictions(2, "eval").tolist() == (
        make_stage(task(epochs=50)).predictions(2, "eval").tolist()
    )
    assert TrainConfig().epochs == 10


@pytest.mark.slow
def test_table_1_on_the_embedded_data() -> None:
    """The paper's pattern under the settings of the class docstring: about a minute on one core."""
    only = build(Task, {"attack": "dlbd", "train": {"lr": 1e-3, "weight_decay": 0.3}})
    train = prepared_splits(only).train
    rates = idnf(error_set(make_stage(only, train).predictions(16, "online"), train), train)
    assert min(rates["poisons"] or 0, rates["LRG-1"] or 0) > 90
    assert 5 < (rates["LRG-2"] or 0) < 60
    assert (rates["HRG"] or 0) < 5
