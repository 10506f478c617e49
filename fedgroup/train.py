"""The only training loop in the project: a client on its shard, a method on the full set.

`fit` is one call of it. Under it, `epochs` yields after every epoch, so that a method can look,
decide and go on; its objective and the samples of each epoch may be the method's own.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from fedgroup.dataset import Batch, GroupedDataset, Ints
from fedgroup.errors import FedgroupError
from fedgroup.guards.component_results import checked_logits
from fedgroup.proximal import proximal_pull
from fedgroup.seeding import entropy_of, global_streams

Objective = Callable[[torch.Tensor, Batch], torch.Tensor]
"""From logits (B, C) float32 of a batch, in training mode and before the step, to a scalar."""
Draw = Callable[[np.random.Generator], Ints]
"""Positions of one epoch, in order; repeats and omissions are allowed."""


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
    proximal_mu: float = 0.0
    """FedProx: adds mu/2 ||w - w_t||^2 to the objective; w_t is where this training began."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise FedgroupError(
                f"epochs {self.epochs} and batch_size {self.batch_size} must be at least 1"
            )
        if not 0 < self.lr < float("inf"):
            raise FedgroupError(f"lr must be positive and finite, got {self.lr}")
        if not 0 <= self.momentum < 1:
            raise FedgroupError(f"momentum must lie in [0, 1), got {self.momentum}")
        if not 0 <= self.weight_decay < float("inf"):
            raise FedgroupError(
                f"weight_decay must be at least 0 and finite, got {self.weight_decay}"
            )
        if not 0 <= self.proximal_mu < float("inf"):
            raise FedgroupError(
                f"proximal_mu must be at least 0 and finite, got {self.proximal_mu}"
            )


@dataclass(frozen=True)
class Fitted:
    """What a training call leaves behind besides the weights in the model."""

    losses: tuple[float, ...]
    """Mean cross-entropy per epoch, as seen while training."""
    samples: int
    """Samples per epoch."""


@dataclass(frozen=True)
class Progress:
    """What training goes on from, besides the model's weights and the objective's own state."""

    epoch: int
    """Epochs done."""
    momentum: NDArray[np.float32]
    """SGD's momentum in the order of model.parameters(), (P,); (0,) where there is none."""


@dataclass(frozen=True)
class Epoch:
    """One finished epoch, valid until the next one starts."""

    number: int
    """1 for the first."""
    loss: float
    """Mean objective over its samples, as seen while training."""
    samples: int
    """Samples it drew."""
    optimiser: torch.optim.SGD
    """Optimiser of this training call, with its momentum."""

    def progress(self) -> Progress:
        """Return the epoch number and a copy of the momentum."""
        parameters = _parameters(self.optimiser)
        buffers = [self.optimiser.state[p].get("momentum_buffer") for p in parameters]
        if all(buffer is None for buffer in buffers):
            return Progress(self.number, np.empty(0, np.float32))
        flat = [
            (torch.zeros_like(p) if buffer is None else buffer).detach().flatten().float()
            for p, buffer in zip(parameters, buffers, strict=True)
        ]
        return Progress(self.number, torch.cat(flat).cpu().numpy())


def fit(
    model: nn.Module,
    data: GroupedDataset,
    config: TrainConfig,
    rng: np.random.Generator,
    device: torch.device | str = "cpu",
) -> Fitted:
    """Train a model in place with SGD and cross-entropy.

    Args:
        model: Network that is on `device` already.
        data: N samples.
        config: How to train.
        rng: Draws one shuffle per epoch.
        device: Where the network computes.

    Returns:
        The loss of every epoch and the number of samples.

    Raises:
        FedgroupError: where there is no sample, or BatchNorm cannot train on a batch of one.
    """
    finished = list(epochs(model, data, config, lambda _: rng, device))
    return Fitted(tuple(epoch.loss for epoch in finished), len(data))


def epochs(
    model: nn.Module,
    data: GroupedDataset,
    config: TrainConfig,
    rng: Callable[[int], np.random.Generator],
    device: torch.device | str = "cpu",
    *,
    objective: Objective | None = None,
    draw: Draw | None = None,
    state: Progress | None = None,
    anchor: Sequence[torch.Tensor] | None = None,
) -> Iterator[Epoch]:
    """Train a model in place with SGD, yielding after each of config.epochs epochs.

    Between epochs the caller may use the model in any mode. Losses are without the proximal term.

    Args:
        model: Network that is on `device` already.
        data: N samples.
        config: How to train.
        rng: Gives the generator of an epoch by its number, so that no generator has to be saved.
        device: Where the network computes.
        objective: What to minimise; by default the mean cross-entropy.
        draw: Samples of each epoch; by default a permutation of the data.
        state: Where an earlier call left off: with its weights, training goes on bit for bit.
        anchor: The w_t of the proximal term, one tensor per parameter; by default the parameters as
            they are now. With a `state` and a proximal term it must be given.

    Yields:
        Every epoch once it is finished.

    Raises:
        FedgroupError: as fit() does, where an epoch has no sample, and where the state does not
            fit the model.
    """
    if len(data) == 0:
        raise FedgroupError("cannot train on 0 samples: give the client data or use fewer clients")
    device = torch.device(device)
    rates = (config.lr, config.momentum, 0.0, config.weight_decay)  # 0: no dampening
    optimiser = torch.optim.SGD(model.parameters(), *rates, foreach=True)
    if state is not None:
        _load_momentum(optimiser, state.momentum)
    minimised, classes = objective or _cross_entropy, len(data.info.classes)
    pull = proximal_pull(model, config.proximal_mu, anchor, fresh=state is None)
    for number in range(1 if state is None else state.epoch + 1, config.epochs + 1):
        model.train()
        generator = rng(number)
        # what a model draws from the global streams, such as dropout, has an address too
        with global_streams(entropy_of(generator), "epoch", number):
            order = generator.permutation(len(data)) if draw is None else draw(generator)
            if len(order) == 0:
                raise FedgroupError(f"epoch {number} has no samples left to train on")
            total = torch.zeros((), dtype=torch.float64, device=device)
            for start in range(0, len(order), config.batch_size):
                batch = data.batch(order[start : start + config.batch_size], device)
                loss = _loss(model, batch, config.precision, minimised, classes)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                pull()
                optimiser.step()
                total += loss.detach() * len(batch.y)
        yield Epoch(number, total.item() / len(order), len(order), optimiser)


def _cross_entropy(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    return F.cross_entropy(logits, batch.y)


def _loss(
    model: nn.Module, batch: Batch, precision: str, objective: Objective, classes: int
) -> torch.Tensor:
    try:
        if precision == "bfloat16":
            with torch.autocast(batch.x.device.type, torch.bfloat16):
                logits = model(batch.x).float()
        else:
            logits = model(batch.x)
        return objective(checked_logits(model, logits, len(batch.y), classes), batch)
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise FedgroupError(
            f"BatchNorm cannot train on a batch of {len(batch.y)} sample of this size: "
            f"choose task.train.batch_size so that no batch has one sample, or use larger images"
        ) from error


def _parameters(optimiser: torch.optim.SGD) -> list[torch.Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _load_momentum(optimiser: torch.optim.SGD, momentum: NDArray[np.float32]) -> None:
    parameters = _parameters(optimiser)
    size = sum(parameter.numel() for parameter in parameters)
    if len(momentum) not in (0, size):
        raise FedgroupError(
            f"the saved momentum has {len(momentum)} values, this model takes {size}"
        )
    start = 0
    for parameter in parameters if len(momentum) else ():
        part = torch.from_numpy(momentum[start : start + parameter.numel()].copy())
        # empty_like keeps the parameter's memory order: the next steps add in the same order
        buffer = torch.empty_like(parameter).copy_(part.view(parameter.shape))
        optimiser.state[parameter]["momentum_buffer"] = buffer
        start += parameter.numel()
