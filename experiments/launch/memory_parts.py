"""How much memory a process needs to train a model, estimated without running it."""

import copy
import os
from pathlib import Path

import torch
from torch import nn

PROCESS = 450 * 2**20
"""Resident memory of a Python process with torch and Flower loaded, before any model (measured)."""
CUDA_CONTEXT = 600 * 2**20
"""GPU memory a process takes before any tensor."""


def available() -> int:
    """Bytes of main memory free for new processes; what a container may still take, where it is less."""
    free = _meminfo("MemAvailable") or os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit, used = _number("/sys/fs/cgroup/memory.max"), _number("/sys/fs/cgroup/memory.current")
    return min(free, limit - used) if limit is not None and used is not None else free


def parameters(model: nn.Module) -> int:
    """Bytes of all parameters and buffers."""
    tensors = [*model.parameters(), *model.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def training(model: nn.Module, batch: int, size: tuple[int, int]) -> int:
    """Bytes of one training step: weights, gradients, momentum, and activations with their gradients.

    Activations are counted on the meta device: the outputs of all leaf modules for one sample, times the
    batch, times two. Modules that cannot run there are counted by their weights alone.
    """
    return 4 * parameters(model) + 2 * batch * _activations(model, size)


def _activations(model: nn.Module, size: tuple[int, int]) -> int:
    twin = copy.deepcopy(model).to("meta").train()
    total = 0

    def add(_: nn.Module, __: object, output: object) -> None:
        nonlocal total
        if isinstance(output, torch.Tensor):
            total += output.numel() * output.element_size()

    for module in twin.modules():
        if not list(module.children()):
            module.register_forward_hook(add)
    try:
        twin(torch.empty(2, 3, *size, device="meta"))
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return 0
    return total // 2


def _meminfo(key: str) -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return None


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):  # no such file, or "max"
        return None
