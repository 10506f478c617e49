"""One client's update: the one trainer on the client's shard."""

import time

import torch
from torch import nn

from fedgroup.dataset import Ints
from fedgroup.device import pick
from fedgroup.errors import FedgroupError
from fedgroup.frozen import Frozen, fresh_copy, model_hash
from fedgroup.guards.surroundings import component_call
from fedgroup.layout import Weights, read, write
from fedgroup.model import Model, build_model
from fedgroup.seeding import rng
from fedgroup.settings.settings_cache import cached_by_settings
from fedgroup.task import Task, assign_clients, placed_splits
from fedgroup.train import fit
from fedgroup.update import Update


def local_update(task: Task, client: int, number: int, weights: Weights, layout: str) -> Update:
    """Train one client from the global weights.

    Args:
        task: Data, partition, model and training.
        client: Partition id.
        number: The round, which addresses the shuffles.
        weights: Global weights.
        layout: `model_hash` of the server's model, which must be this client's.

    Returns:
        The client's new weights, and what it reports.

    Raises:
        FedgroupError: The models differ, there is no such client, or training changes what is
            frozen.
    """
    start = time.perf_counter()
    device = pick()
    data = placed_splits(task, device).train.take(_positions(task, client))
    pristine, own = _model(task.model, len(data.info.classes), task.seed, device)
    if own != layout:
        raise FedgroupError(
            f"the server's model layout {layout} is not this client's {own}: same versions and "
            f"weights files on both sides?"
        )
    model = fresh_copy(pristine)
    write(model, weights)
    frozen = Frozen(model)
    with component_call(task.model, "forward", task.seed, number, client):
        fitted = fit(model, data, task.train, rng(task.seed, "local", number, client), device)
    frozen.check(model)
    return Update(
        client=client,
        examples=len(data),
        loss=fitted.losses[-1],
        groups=tuple(int(n) for n in data.group_counts()),
        weights=read(model),
        seconds=time.perf_counter() - start,
    )


def _positions(task: Task, client: int) -> Ints:
    """Return the positions of a client's samples in the training split."""
    parts = assign_clients(task)
    if not 0 <= client < len(parts):
        raise FedgroupError(
            f"partition-id {client} does not exist: task.partition.clients is {len(parts)}"
        )
    return parts[client]


@cached_by_settings(maxsize=1)
def _model(
    component: Model, classes: int, seed: int, device: torch.device
) -> tuple[nn.Module, str]:
    """Return one model per process and its hash; what travels of it is overwritten before use."""
    model = build_model(component, classes, seed, device)
    return model, model_hash(model)
