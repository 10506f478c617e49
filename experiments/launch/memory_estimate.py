"""How much memory runs need, estimated before they start; too much is refused with the remedy."""

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from clients.resources import Resources
from experiments.experiment import Experiment
from fedgroup.device import pick
from fedgroup.errors import FedgroupError
from fedgroup.image_placement import BANK_SHARE, image_bytes
from fedgroup.model import Model
from fedgroup.settings.settings_cache import cached_by_settings
from fedgroup.task import assign_clients, prepared_splits
from strategies.cohort_schedule import cohort_size

PROCESS = 450 * 2**20
"""Resident memory of a Python process with torch and Flower loaded, before any model (measured)."""
CUDA_CONTEXT = 600 * 2**20
"""GPU memory a process takes before any tensor."""


@dataclass(frozen=True)
class Need:
    """Bytes of one run."""

    server: int
    """The run's own process: model, cohort's vectors, rule state, evaluation."""
    worker: int
    """One worker process; 0 where clients train in the run's own process."""
    workers: int
    """Worker processes of the run."""
    gpu: int
    """GPU memory of the whole run; 0 on the CPU."""

    @property
    def total(self) -> int:
        """Main memory of the run."""
        return self.server + self.workers * self.worker


def estimate(experiment: Experiment, resources: Resources) -> Need:
    """Return the memory of one run; images are memory-mapped and count on a GPU alone."""
    task = experiment.task
    splits = prepared_splits(task)
    cohort = 0
    if experiment.method is None:
        cohort = cohort_size(len(assign_clients(task)), experiment.federation.fraction)
    classes = len(splits.train.info.classes)
    model, step = _model_bytes(task.model, classes, task.train.batch_size, splits.train.size)
    vectors = (cohort + 6) * model  # replies, global weights, two states, step, checkpoint
    bank = image_bytes(splits)
    apart = resources.needs_ray and experiment.method is None
    on_gpu = pick().type == "cuda"
    host_step = 0 if on_gpu else step
    gpu = 0
    if on_gpu:
        processes = 1 + (resources.workers if apart else 0)
        gpu = processes * (CUDA_CONTEXT + model + bank) + max(1, resources.workers) * step
    return Need(
        server=PROCESS + vectors + (0 if apart else host_step),
        worker=PROCESS + host_step + 2 * model if apart else 0,
        workers=resources.workers if apart else 0,
        gpu=gpu,
    )


@cached_by_settings(maxsize=16)
def _model_bytes(
    component: Model, classes: int, batch: int, size: tuple[int, int]
) -> tuple[int, int]:
    """Return the bytes of a model and of one of its training steps."""
    model = component.build(classes, 0)
    return model_bytes(model), step_bytes(model, batch, size)


def check_memory(needs: Sequence[Need], resources: Resources) -> str:
    """Return one line on what runs side by side need; refuse them where that is not free."""
    total = sum(need.total for need in needs)
    line = f"Memory: about {_gib(total)} for {len(needs)} run(s)"
    if needs[0].workers:
        line += f" with {needs[0].workers} worker(s) of {_gib(needs[0].worker)} each"
    if resources.ray_address is not None:
        return line + ", on the cluster"
    free = available_bytes()
    if total > free:
        raise FedgroupError(
            f"the runs need about {_gib(total)} of memory and {_gib(free)} are free: lower --jobs, "
            f"--workers, task.train.batch_size or federation.fraction"
        )
    line += f"; {_gib(free)} are free"
    gpu = sum(need.gpu for need in needs)
    if gpu:
        room = sum(torch.cuda.mem_get_info(index)[0] for index in range(torch.cuda.device_count()))
        line += f". GPU: about {_gib(gpu)} of {_gib(room)}"
        if gpu * (1 - BANK_SHARE) > room:
            raise FedgroupError(
                f"the runs need about {_gib(gpu)} of GPU memory and {_gib(room)} are free: lower "
                f"--jobs, --workers or task.train.batch_size"
            )
    return line


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def model_bytes(model: nn.Module) -> int:
    """Return the bytes of all parameters and buffers."""
    tensors = [*model.parameters(), *model.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def step_bytes(model: nn.Module, batch: int, size: tuple[int, int]) -> int:
    """Return the bytes of one training step.

    Weights, gradients and momentum, and activations with their gradients. Activations are counted
    on the meta device: the outputs of all leaf modules for one sample, times the batch, times two.
    Modules that cannot run there are counted by their weights alone.

    Args:
        model: The network, which stays as it is.
        batch: Samples of a step.
        size: Height and width of a sample in pixels.

    Returns:
        Bytes.
    """
    return 4 * model_bytes(model) + 2 * batch * _activation_bytes(model, size)


def _activation_bytes(model: nn.Module, size: tuple[int, int]) -> int:
    """Return the bytes of one sample's activations; 0 where the model cannot run without data."""
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


def available_bytes() -> int:
    """Return the main memory free for new processes, within what a container may take."""
    free = _meminfo("MemAvailable") or os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit, used = _number("/sys/fs/cgroup/memory.max"), _number("/sys/fs/cgroup/memory.current")
    return min(free, limit - used) if limit is not None and used is not None else free


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
