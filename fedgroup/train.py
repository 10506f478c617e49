"""The only training loop in the project: a client on its shard, a method on the full set."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from fedgroup.dataset import GroupedDataset
from fedgroup.errors import FedgroupError


@dataclass(frozen=True)
class TrainConfig:
    """How one call of fit() trains. The defaults are the paper's federated settings (A.1)."""

    epochs: int = 10
    """Passes over the data."""
    batch_size: int = 128
    """Samples per step; the last, smaller batch is kept."""
    lr: float = 1e-2
    """Learning rate of SGD, constant."""
    momentum: float = 0.9
    """Momentum of SGD (not Nesterov); the optimiser is fresh in every call."""
    weight_decay: float = 0.0
    """Coupled L2 on all parameters."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """bfloat16 runs the forward pass under autocast; weights and optimiser stay float32."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise FedgroupError(f"epochs {self.epochs} and batch_size {self.batch_size} must be at least 1")
        if not 0 < self.lr < float("inf"):
            raise FedgroupError(f"lr must be positive and finite, got {self.lr}")
        if not 0 <= self.momentum < 1:
            raise FedgroupError(f"momentum must lie in [0, 1), got {self.momentum}")
        if not 0 <= self.weight_decay < float("inf"):
            raise FedgroupError(f"weight_decay must be at least 0 and finite, got {self.weight_decay}")


@dataclass(frozen=True)
class Fitted:
    """What a training call leaves behind besides the weights in the model."""

    losses: tuple[float, ...]
    """Mean cross-entropy per epoch, as seen while training."""
    samples: int
    """Samples per epoch."""


def fit(
    model: nn.Module,
    data: GroupedDataset,
    config: TrainConfig,
    rng: np.random.Generator,
    device: torch.device | str = "cpu",
) -> Fitted:
    """Train `model` in place on `data` with SGD and cross-entropy; `rng` draws one shuffle per epoch.

    The model must already live on `device`. Raises FedgroupError on an empty data set and where
    BatchNorm cannot train on a batch of one.
    """
    count = len(data)
    if count == 0:
        raise FedgroupError("cannot train on 0 samples: give the client data or use fewer clients")
    device = torch.device(device)
    model.train()
    optimiser = torch.optim.SGD(
        model.parameters(),
        lr=config.lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        foreach=True,
    )
    losses = []
    for _ in range(config.epochs):
        order = rng.permutation(count)
        total = torch.zeros((), dtype=torch.float64, device=device)
        for start in range(0, count, config.batch_size):
            batch = data.batch(order[start : start + config.batch_size], device)
            loss = _loss(model, batch.x, batch.y, config.precision)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += loss.detach() * len(batch.y)
        losses.append(total.item() / count)
    return Fitted(tuple(losses), count)


def _loss(model: nn.Module, x: torch.Tensor, y: torch.Tensor, precision: str) -> torch.Tensor:
    try:
        if precision == "bfloat16":
            with torch.autocast(x.device.type, torch.bfloat16):
                logits = model(x)
            return F.cross_entropy(logits.float(), y)
        return F.cross_entropy(model(x), y)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise FedgroupError(
            f"BatchNorm cannot train on a batch of {len(y)} sample of this size: "
            f"choose task.train.batch_size so that no batch has one sample, or use larger images"
        ) from error
