"""A GPU gives what the CPU gives, but for rounding: training, evaluation, whole runs of both kinds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments.experiment import Experiment
from experiments.run import run
from fedgroup.device import describe, pick
from fedgroup.image_placement import place
from fedgroup.layout import read
from fedgroup.predict import count, predict
from fedgroup.seeding import rng
from fedgroup.train import TrainConfig, fit
from tests.toy import ToyData, ToyModel, experiment

CUDA = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    ],
)
DEVICES = ["cpu", CUDA]
ATTACKED = {"use": "dlbd", "fraction": 0.05, "side": 3, "gap": 0}


def trained(device: str, precision: str = "float32") -> tuple[np.ndarray, Any]:
    """Weights and test counts of the toy network after three epochs on a device."""
    where = torch.device(device)
    splits = place(ToyData().load(), where)
    model = ToyModel().build(2, 0).to(where)
    config = TrainConfig(epochs=3, batch_size=16, lr=0.05, momentum=0.9, precision=precision)
    fit(model, splits.train, config, rng(0, "x"), where)
    return read(model).theta, count(predict(model, splits.test, where), splits.test)


@pytest.mark.parametrize("device", DEVICES)
def test_training_and_evaluation_agree_with_the_cpu(device: str) -> None:
    theta, counts = trained(device)
    expected, reference = trained("cpu")
    assert np.allclose(theta, expected, atol=2e-3)
    assert counts.total == reference.total
    assert abs(sum(counts.correct) - sum(reference.correct)) <= 2


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_bfloat16_trains_on_a_gpu() -> None:
    theta, _ = trained("cuda", "bfloat16")
    assert np.isfinite(theta).all()
    assert np.allclose(theta, trained("cpu")[0], atol=0.1)


def test_vectors_of_a_placed_data_set_are_the_same_pictures() -> None:
    splits = ToyData().load()
    moved = place(splits, torch.device("cpu"))
    assert torch.equal(moved.test.bank, splits.test.bank)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "changes",
    [
        {"federation__aggregator": {"use": "trimmed_mean", "trim": 1}},
        {"federation__aggregator": {"use": "sparsefed", "k": 0.1, "rho": 0.9}},
        {"task__attack": ATTACKED},
    ],
    ids=["trimmed_mean", "sparsefed", "attacked"],
)
def test_federated_runs_agree_with_the_cpu(
    device: str, changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agree(Experiment.of(experiment(**changes)), device, tmp_path, monkeypatch)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    "method",
    [
        {"use": "jtt", "identify_epochs": 2, "upsample": 3},
        {"use": "george", "first_epochs": 2, "clustering": {"k": 2}},
        "group_dro",
        {"use": "epic", "subset": 0.3},
    ],
    ids=["jtt", "george", "group_dro", "epic"],
)
def test_centralized_runs_agree_with_the_cpu(
    device: str, method: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = experiment(task__attack=ATTACKED)
    del values["federation"], values["task"]["partition"]
    values["task"]["train"] = {"epochs": 2, "batch_size": 16, "lr": 0.05}
    agree(Experiment.of({**values, "method": method}), device, tmp_path, monkeypatch)


def agree(what: Experiment, device: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run it on the device and on the CPU: same lines, evaluated samples and device as told."""
    rows = {}
    for name in dict.fromkeys((device, "cpu")):
        monkeypatch.setenv("FEDGROUP_DEVICE", name)
        assert pick().type == name
        folder = run(what, tmp_path / name)
        assert json.loads((folder / "env.json").read_text())["device"] == describe(pick())
        lines = (folder / "rounds.jsonl").read_text().splitlines()
        rows[name] = [json.loads(line) for line in lines]
    ours, reference = rows[device], rows["cpu"]
    assert [row["round"] for row in ours] == [row["round"] for row in reference]
    first, last = ours[0]["test"], ours[-1]["test"]
    assert first["total"] == last["total"] == reference[-1]["test"]["total"]
    assert abs(sum(first["correct"]) - sum(reference[0]["test"]["correct"])) <= 1
    assert abs(sum(last["correct"]) - sum(reference[-1]["test"]["correct"])) <= 6
