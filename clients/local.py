"""One client's update: the one trainer on the client's shard."""

import time
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from fedgroup.dataset import GroupedDataset
from fedgroup.device import holds, pick
from fedgroup.errors import FedgroupError
from fedgroup.layout import Layout, Weights, read, write
from fedgroup.seeding import rng
from fedgroup.task import Task, assign_clients, prepared_splits
from fedgroup.train import fit
from fedgroup.update import Update


def local_update(task: Task, client: int, number: int, weights: Weights, layout: str) -> Update:
    """Train `client` from the global `weights` in round `number`; returns its new weights."""
    start = time.perf_counter()
    device = pick()
    data = _train_split(task, str(device)).take(_positions(task, client))
    model, own = _model(task.model, len(data.info.classes), str(device))
    if own != layout:
        raise FedgroupError(
            f"the server's model layout {layout} is not this client's {own}: same versions on both sides?"
        )
    write(model, weights)
    fitted = fit(model, data, task.train, rng(task.seed, "local", number, client), device)
    return Update(
        client=client,
        examples=len(data),
        loss=fitted.losses[-1],
        groups=tuple(int(n) for n in data.group_counts()),
        weights=read(model),
        seconds=time.perf_counter() - start,
    )


def _positions(task: Task, client: int) -> Any:
    parts = assign_clients(task)
    if not 0 <= client < len(parts):
        raise FedgroupError(f"partition-id {client} does not exist: task.partition.clients is {len(parts)}")
    return parts[client]


@lru_cache(maxsize=1)
def _train_split(task: Task, device: str) -> GroupedDataset:
    train = prepared_splits(task).train
    return train.to(device) if holds(torch.device(device), train.bank.nbytes) else train


@lru_cache(maxsize=1)
def _model(component: Any, classes: int, device: str) -> tuple[nn.Module, str]:
    """One model per process and its layout's hash; every tensor is overwritten before each use."""
    model: nn.Module = component.build(classes, 0).to(device)
    if device != "mps":
        model = model.to(memory_format=torch.channels_last)
    return model, Layout.of(model).hash()
