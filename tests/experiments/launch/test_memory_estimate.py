"""The estimate before a start, and its refusal."""

import pytest
import torch
from torch import nn

from clients.resources import Resources
from experiments.experiment import Experiment
from experiments.launch import memory_estimate
from fedgroup.errors import FedgroupError
from tests.toy import experiment

TOY = Experiment.of(experiment())


def test_workers_hold_the_step_and_the_server_the_vectors() -> None:
    alone = memory_estimate.estimate(TOY, Resources())
    apart = memory_estimate.estimate(TOY, Resources(workers=3))
    assert (alone.workers, alone.worker) == (0, 0)
    assert apart.workers == 3
    assert apart.server < alone.server
    assert apart.total == apart.server + 3 * apart.worker


def test_too_much_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    need = memory_estimate.estimate(TOY, Resources())
    assert "about 0.4 GiB for 1 run(s)" in memory_estimate.check_memory([need], Resources())
    monkeypatch.setattr(memory_estimate, "available_bytes", lambda: 2**28)
    with pytest.raises(
        FedgroupError, match=r"need about 0.9 GiB of memory and 0.2 GiB are free: lower --jobs"
    ):
        memory_estimate.check_memory([need, need], Resources())
    assert "on the cluster" in memory_estimate.check_memory([need], Resources(ray_address="auto"))


def test_a_bigger_batch_and_model_need_more() -> None:
    def total(**changes: object) -> int:
        return memory_estimate.estimate(Experiment.of(experiment(**changes)), Resources()).total

    assert total(task__train__batch_size=4) < total(task__train__batch_size=64)
    assert total(federation__fraction=0.25) < total(federation__fraction=1.0)


def test_a_linear_layers_bytes_by_hand() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    assert memory_estimate.model_bytes(model) == 4 * (12 * 5 + 5)
    activations = 4 * (12 + 5)  # Flatten's and Linear's outputs for one sample of 3 x 2 x 2
    assert memory_estimate.step_bytes(model, 10, (2, 2)) == 4 * 260 + 2 * 10 * activations


def test_the_model_itself_stays_where_it_is() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))
    memory_estimate.step_bytes(model, 4, (8, 8))
    assert next(model.parameters()).device == torch.device("cpu")
    assert not model[0]._forward_hooks


def test_a_model_that_cannot_run_on_meta_counts_by_its_weights() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("needs data")

    assert memory_estimate.step_bytes(Odd(), 4, (8, 8)) == 4 * 8


def test_available_is_what_the_kernel_says_or_the_container_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = memory_estimate.available_bytes()
    assert free > 0
    limits = {"/sys/fs/cgroup/memory.max": 1000, "/sys/fs/cgroup/memory.current": 400}
    monkeypatch.setattr(memory_estimate, "_number", limits.get)
    assert memory_estimate.available_bytes() == 600
