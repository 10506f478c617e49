"""What runs will need, said before they start; too much is refused with the remedy."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from clients.resources import Resources
from experiments.experiment import Experiment
from experiments.launch.memory_parts import CUDA_CONTEXT, PROCESS, available, parameters, training
from fedgroup.dataset import image_bytes
from fedgroup.device import BANK_SHARE, pick
from fedgroup.errors import FedgroupError
from fedgroup.task import assign_clients, prepared_splits
from strategies.cohort import cohort_size


@dataclass(frozen=True)
class Need:
    """Bytes of one run."""

    server: int
    """The run's own process: model, cohort's vectors, rule state, evaluation."""
    worker: int
    """One worker process; 0 where clients train in the run's own process."""
    workers: int
    gpu: int
    """GPU memory of the whole run; 0 on the CPU."""

    @property
    def total(self) -> int:
        """Main memory of the run."""
        return self.server + self.workers * self.worker


def estimate(experiment: Experiment, resources: Resources) -> Need:
    """Memory of one run; images are memory-mapped and not counted, except on a GPU."""
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


@lru_cache(maxsize=16)
def _model_bytes(
    component: Any, classes: int, batch: int, size: tuple[int, int]
) -> tuple[int, int]:
    model = component.build(classes, 0)
    return parameters(model), training(model, batch, size)


def check(needs: Sequence[Need], resources: Resources) -> str:
    """One line that says what the runs side by side need; refuses them where that is not there."""
    total = sum(need.total for need in needs)
    line = f"Memory: about {_gib(total)} for {len(needs)} run(s)"
    if needs[0].workers:
        line += f" with {needs[0].workers} worker(s) of {_gib(needs[0].worker)} each"
    if resources.ray_address is not None:
        return line + ", on the cluster"
    free = available()
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
                f"the runs need about {_gib(gpu)} of GPU memory and {_gib(room)} are free: lower --jobs, "
                f"--workers or task.train.batch_size"
            )
    return line


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
