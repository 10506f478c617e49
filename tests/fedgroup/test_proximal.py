"""The proximal term against its closed form, a plain loop, and federated against central."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from clients.client_app import app
from clients.grid import LocalGrid
from clients.local import local_update
from experiments.experiment import Experiment
from fedgroup.cache import key_settings
from fedgroup.dataset import Batch
from fedgroup.errors import FedgroupError
from fedgroup.layout import Layout, read, write
from fedgroup.methods.central_records import CentralRecords
from fedgroup.methods.central_run import centralise
from fedgroup.methods.erm import ERM
from fedgroup.methods.stage import make_stage
from fedgroup.seeding import rng
from fedgroup.spec import build
from fedgroup.task import Task
from fedgroup.train import TrainConfig, epochs, fit
from strategies.server.federated_run import federate
from tests.fedgroup.methods.runs import same_records
from tests.fedgroup.methods.runs import task as method_task
from tests.toy import ToyData, ToyModel, experiment

TRAIN = ToyData().load().train
CENTRE = torch.tensor([3.0, -1.0])


class Point(torch.nn.Module):
    """Two free numbers: the logits of every sample."""

    def __init__(self) -> None:
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.w.expand(len(x), 2)


def quadratic(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Half the squared distance to CENTRE."""
    return ((logits[0] - CENTRE) ** 2).sum() / 2


@pytest.mark.parametrize("mu", [0.5, 1.0, 9.0])
def test_a_quadratic_ends_in_the_closed_form(mu: float) -> None:
    """argmin 1/2 ||w - c||^2 + mu/2 ||w - w_t||^2 = (c + mu w_t) / (1 + mu)."""
    model = Point()
    start = model.w.detach().clone()
    config = TrainConfig(
        epochs=1, batch_size=80, lr=1 / (1 + mu), momentum=0.0, proximal_mu=mu
    )  # one Newton step
    (epoch,) = epochs(model, TRAIN, config, lambda e: rng(0, e), objective=quadratic)
    expected = (CENTRE + mu * start) / (1 + mu)
    assert torch.allclose(model.w, expected, atol=1e-6)
    assert epoch.loss == pytest.approx(6.5)  # without the term, before the step


def test_every_step_of_gradient_descent_follows_the_closed_form() -> None:
    """w_k - w* = (1 - lr (1 + mu))^k (w_t - w*): the anchor stays where training began."""
    model, mu, lr, steps = Point(), 2.0, 0.1, 5
    start = model.w.detach().clone()
    config = TrainConfig(epochs=steps, batch_size=80, lr=lr, momentum=0.0, proximal_mu=mu)
    list(epochs(model, TRAIN, config, lambda e: rng(0, e), objective=quadratic))
    best = (CENTRE + mu * start) / (1 + mu)
    assert torch.allclose(model.w - best, (1 - lr * (1 + mu)) ** steps * (start - best), atol=1e-6)


def test_the_gradient_is_that_of_the_term_in_the_objective() -> None:
    config = TrainConfig(epochs=2, batch_size=16, lr=0.05, proximal_mu=0.3)
    ours, plain = ToyModel().build(2, 0), ToyModel().build(2, 0)
    fit(ours, TRAIN, config, rng(0, "x"))
    start = [p.detach().clone() for p in plain.parameters()]
    optimiser = torch.optim.SGD(plain.parameters(), lr=0.05, momentum=0.9)
    plain.train()
    generator = rng(0, "x")
    for _ in range(2):
        order = generator.permutation(80)
        for first in range(0, 80, 16):
            batch = TRAIN.batch(order[first : first + 16])
            term = sum(((p - s) ** 2).sum() for p, s in zip(plain.parameters(), start, strict=True))
            loss = F.cross_entropy(plain(batch.x), batch.y) + 0.15 * term
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    assert np.allclose(read(ours).theta, read(plain).theta, atol=1e-6)


def test_a_larger_mu_stays_nearer() -> None:
    moved = []
    for mu in (0.0, 1.0, 10.0):
        model = ToyModel().build(2, 0)
        before = read(model).theta.copy()
        fit(model, TRAIN, TrainConfig(epochs=3, batch_size=16, proximal_mu=mu), rng(0, "x"))
        moved.append(float(np.linalg.norm(read(model).theta - before)))
    assert moved[0] > moved[1] > moved[2] > 0


def test_without_mu_no_byte_changes() -> None:
    models = [ToyModel().build(2, 0) for _ in range(2)]
    for model, config in zip(
        models, (TrainConfig(epochs=1), TrainConfig(epochs=1, proximal_mu=0.0)), strict=True
    ):
        fit(model, TRAIN, config, rng(0, "x"))
    assert np.array_equal(read(models[0]).theta, read(models[1]).theta)
    parts = [Experiment.of(experiment()), Experiment.of(experiment(task__train__proximal_mu=0.0))]
    assert parts[0].id == parts[1].id
    assert Experiment.of(experiment(task__train__proximal_mu=0.1)).id != parts[0].id
    assert "proximal_mu" not in key_settings(TrainConfig())
    assert key_settings(TrainConfig(proximal_mu=0.1))["proximal_mu"] == 0.1


@pytest.mark.parametrize("mu", [-0.1, float("inf"), float("nan")])
def test_a_mu_that_is_no_weight_is_refused(mu: float) -> None:
    with pytest.raises(FedgroupError, match="proximal_mu must be at least 0 and finite"):
        TrainConfig(proximal_mu=mu)


def test_training_goes_on_towards_the_first_weights() -> None:
    """A resumed training is pulled to where it began, not to where it was stopped."""
    config = TrainConfig(epochs=4, batch_size=16, lr=0.05, proximal_mu=0.5)
    whole, first, second = (ToyModel().build(2, 0) for _ in range(3))
    anchor = [p.detach().clone() for p in second.parameters()]
    list(epochs(whole, TRAIN, config, lambda e: rng(0, e)))
    progress = None
    for epoch in epochs(first, TRAIN, config, lambda e: rng(0, e)):
        if epoch.number == 2:
            progress = epoch.progress()
            break
    write(second, read(first))
    with pytest.raises(FedgroupError, match="give its anchor"):
        list(epochs(second, TRAIN, config, lambda e: rng(0, e), state=progress))
    list(epochs(second, TRAIN, config, lambda e: rng(0, e), state=progress, anchor=anchor))
    assert np.array_equal(read(whole).theta, read(second).theta)


def test_a_stage_goes_on_towards_the_first_weights() -> None:
    settings = experiment(task__train={"proximal_mu": 0.5, "batch_size": 16, "lr": 0.05})["task"]
    task = build(Task, settings)
    device = torch.device("cpu")
    whole = make_stage(task, "one", TRAIN, task.train, device).predictions(4, "eval")
    cut = make_stage(task, "two", TRAIN, task.train, device)
    cut = replace(cut, rng=make_stage(task, "one", TRAIN, task.train, device).rng)
    cut.predictions(2, "eval")
    assert np.array_equal(cut.predictions(4, "eval"), whole)


def everything_at_one_client(tmp_path: Path, **train: Any) -> tuple[Any, Any]:
    """The weights of one round of FedAvg with one client, and of fit() on the full set."""
    values = experiment(
        task__partition={"use": "iid", "clients": 1},
        task__train={"epochs": 2, "batch_size": 16, "lr": 0.05, **train},
        federation={"rounds": 1, "fraction": 1.0},
    )
    exp = Experiment.of(values)
    folder = federate(LocalGrid(app, 1), exp.task, exp.federation, tmp_path)
    with np.load(folder / "checkpoint.npz") as stored:
        federated = stored["theta"]
    model = ToyModel().build(2, exp.task.seed)
    fit(model, TRAIN, exp.task.train, rng(exp.task.seed, "local", 1, 0))
    return federated, read(model).theta


@pytest.mark.parametrize("mu", [0.0, 0.7])
def test_one_client_that_holds_all_equals_fit_bit_for_bit(tmp_path: Path, mu: float) -> None:
    federated, central = everything_at_one_client(tmp_path, proximal_mu=mu)
    assert np.array_equal(federated, central)


def test_the_reply_of_a_client_names_its_loss_for_flower() -> None:
    """Flower's QFedAvg reads the metric train_loss."""
    task = build(Task, experiment(task__train={"proximal_mu": 5.0, "epochs": 1})["task"])
    model = ToyModel().build(2, 0)
    weights = read(model)
    update = local_update(task, 0, 1, weights, Layout.of(model).hash())
    metrics = update.metrics()
    assert metrics["train_loss"] == metrics["loss"] == update.loss > 0


def test_a_stopped_central_run_goes_on_towards_the_first_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = method_task()
    task = replace(plain, train=replace(plain.train, proximal_mu=0.5))
    whole = centralise(task, ERM(), tmp_path / "whole")
    kept = CentralRecords.finish_epoch

    def stop(self: Any, row: dict[str, Any], *rest: Any) -> None:
        if row["round"] == 2:
            raise KeyboardInterrupt
        kept(self, row, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(CentralRecords, "finish_epoch", stop)
        centralise(task, ERM(), tmp_path / "cut")
    same_records(whole, centralise(task, ERM(), tmp_path / "cut"))
    free = centralise(plain, ERM(), tmp_path / "free")
    assert (free / "rounds.jsonl").read_bytes() != (whole / "rounds.jsonl").read_bytes()
