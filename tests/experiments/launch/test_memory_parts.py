import pytest
import torch
from torch import nn

from experiments.launch import memory_parts


def test_a_linear_layers_bytes_by_hand() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
    assert memory_parts.parameters(model) == 4 * (12 * 5 + 5)
    activations = 4 * (12 + 5)  # Flatten's and Linear's outputs for one sample of 3 x 2 x 2
    assert memory_parts.training(model, 10, (2, 2)) == 4 * 260 + 2 * 10 * activations


def test_the_model_itself_stays_where_it_is() -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2))
    memory_parts.training(model, 4, (8, 8))
    assert next(model.parameters()).device == torch.device("cpu")
    assert not model[0]._forward_hooks


def test_a_model_that_cannot_run_on_meta_counts_by_its_weights() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("needs data")

    assert memory_parts.training(Odd(), 4, (8, 8)) == 4 * 8


def test_available_is_what_the_kernel_says_or_the_container_allows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = memory_parts.available()
    assert free > 0
    limits = {"/sys/fs/cgroup/memory.max": 1000, "/sys/fs/cgroup/memory.current": 400}
    monkeypatch.setattr(memory_parts, "_number", limits.get)
    assert memory_parts.available() == 600
