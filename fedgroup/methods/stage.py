"""Identification phases on disk: trained once for all cases, factors and stops that ask for them.

A stage is plain training whose product is kept in cache_dir()/stages under a hash of everything it
depends on: the content of the data (poisons included), the model's settings, code and starting
weights, the training settings, the versions of our own arithmetic, the seed, the device and the
version of torch; not how long it trains. It is stored after every epoch, so a
stopped one goes on, a longer one continues a shorter one, and a shorter one is a part of a longer
one. Workers that need the same stage wait for the first.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from fedgroup.cache import fingerprint, key_settings
from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.errors import FedgroupError
from fedgroup.frozen import frozen_digest
from fedgroup.group_metrics import Counts
from fedgroup.identity.run_identity import code_of_function, component_path, versions_of
from fedgroup.layout import Weights, read, write
from fedgroup.methods.stage_keepers import (
    BestWeights,
    EvalPredictions,
    Keeper,
    OnlinePredictions,
)
from fedgroup.model import build_model
from fedgroup.proximal import parameter_copies
from fedgroup.seeding import rng
from fedgroup.storage import Arrays, cache_dir, exclusive, load_cached, save_cached
from fedgroup.task import Task
from fedgroup.train import Progress, TrainConfig, epochs

FORMAT = 1
"""Raised when equal settings would no longer give equal stages."""
NAMESPACE = "central"
"""First word of the address of every shuffle: rng(seed, "central", stage, epoch)."""
Predictions = Literal["online", "eval"]
"""online: made while training, before each step; eval: in evaluation mode between epochs."""
STATE = ("theta", "buffers", "counters", "momentum", "epoch")
"""Arrays in a stage's file that training goes on from."""


@dataclass(frozen=True)
class Stage:
    """One identification phase; `make_stage` makes that of a task."""

    build: Callable[[], nn.Module]
    """Makes the start model, on the device."""
    data: GroupedDataset
    """What it trains on."""
    config: TrainConfig
    """How it trains; its epochs are overruled by what is asked for."""
    rng: Callable[[int], np.random.Generator]
    """Generator of an epoch by its number."""
    address: tuple[str | int, ...]
    """Names the generators: equal addresses give equal streams."""
    device: torch.device
    """Where it trains."""
    model: Mapping[str, Any] = field(default_factory=dict)
    """What the network is beside its weights: its component, its settings and its code."""

    def predictions(self, step: int, how: Predictions) -> Ints:
        """Return predicted classes of the data after some epochs.

        Args:
            step: 0-based epoch index: predictions are of the model after `step` full epochs.
            how: eval: in evaluation mode; online: made during the epoch that follows, each before
                its step, in training mode (official JTT).

        Returns:
            Classes, (N,) int64.
        """
        make = OnlinePredictions if how == "online" else EvalPredictions
        keeper = make(self.data, self.device, self.config.precision)
        self.advance({"product": how}, keeper, step + (how == "online"))
        return keeper.rows[step].astype(np.int64)

    def best(
        self, length: int, val: GroupedDataset, score: Callable[[Counts], float], name: str
    ) -> Weights:
        """Return the weights after the first epoch of highest validation score.

        Args:
            length: Epochs to train.
            val: The validation split.
            score: Score of a model by its counts on `val`; larger is better.
            name: Name of the score, part of the stage's hash.

        Returns:
            The weights of that epoch.
        """
        keeper = BestWeights(val, score, self.device, self.config.precision)
        counts = list(self.data.info.train_counts)  # the weights of an adjusted score
        product = {"product": "best", "score": name, "counts": counts, "val": fingerprint(val)}
        code = code_of_function(score)  # of a score that is not ours
        self.advance(
            product | {"length": length} | ({"code": code} if code else {}), keeper, length
        )
        return keeper.weights

    def path(self, product: Mapping[str, Any]) -> Path:
        """Return the file of a product of this stage, named by what it depends on."""
        start = hashlib.sha256()
        model = self.build()
        for array in read(model).arrays().values():
            start.update(array.tobytes())
        start.update(frozen_digest(model).encode())
        settings = key_settings(self.config)
        del settings["epochs"]
        parts = {
            "format": FORMAT,
            "data": fingerprint(self.data),
            "columns": self._columns(),
            "start": start.hexdigest(),
            "model": self.model,
            "versions": versions_of("fedgroup.train") | versions_of("fedgroup.methods"),
            "train": settings,
            "rng": list(self.address),
            "device": self.device.type,
            "torch": torch.__version__,
            **product,
        }
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return cache_dir() / "stages" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz"

    def _columns(self) -> str:
        """Return the hash of which samples there are, and which of them are poisons."""
        columns = hashlib.sha256(np.ascontiguousarray(self.data.index).tobytes())
        columns.update(np.ascontiguousarray(self.data.poison).tobytes())
        return columns.hexdigest()[:16]

    def advance(self, product: Mapping[str, Any], keeper: Keeper, length: int) -> None:
        """Bring a keeper to `length` epochs: from the file as far as it goes, then by training.

        Args:
            product: What the keeper's arrays depend on besides the stage; plain values, for JSON.
            keeper: Looks at the model after every epoch; holds the product afterwards.
            length: Epochs that it must have seen.
        """
        path = self.path(product)
        with exclusive(path):
            stored = load_cached(path, {*STATE, *keeper.names})
            if stored is not None:
                keeper.load(stored)
                if stored["epoch"] >= length:
                    return
            self._train(path, stored, keeper, length)

    def _train(self, path: Path, stored: Arrays | None, keeper: Keeper, length: int) -> None:
        model = self.build()
        anchor = parameter_copies(model) if self.config.proximal_mu else None
        state = None
        if stored is not None:
            write(model, Weights.from_arrays(stored))
            state = Progress(int(stored["epoch"]), stored["momentum"])
        else:
            keeper.after_epoch(0, model)
            save_cached(path, _all_arrays(model, Progress(0, np.empty(0, np.float32)), keeper))
        if length == 0:
            return
        config = replace(self.config, epochs=length)
        trained = epochs(
            *(model, self.data, config, self.rng, self.device),
            objective=keeper.objective,
            draw=keeper.draw,
            state=state,
            anchor=anchor,
        )
        for epoch in trained:
            check_loss(epoch.number, epoch.loss, "the identification model")
            progress = epoch.progress()
            keeper.after_epoch(epoch.number, model)
            save_cached(path, _all_arrays(model, progress, keeper))


def _all_arrays(model: nn.Module, progress: Progress, keeper: Keeper) -> Arrays:
    """Return everything that a stage's file holds."""
    state = {"momentum": progress.momentum, "epoch": np.array(progress.epoch)}
    return {**read(model).arrays(), **state, **keeper.arrays()}


def make_stage(
    task: Task, name: str, data: GroupedDataset, config: TrainConfig, device: torch.device
) -> Stage:
    """Return an identification phase of the centralized runs of a task.

    Args:
        task: Gives the model, its starting weights and the seed.
        name: Name of the phase, which addresses its shuffles.
        data: What it trains on.
        config: How it trains.
        device: Where it trains.

    Returns:
        The stage; nothing is trained yet.
    """
    address = (task.seed, NAMESPACE, name)
    shuffles = epoch_rng(task.seed, name)
    model = {"use": component_path(task.model), **key_settings(task.model)}
    return Stage(
        lambda: start_model(task, data, device), data, config, shuffles, address, device, model
    )


def start_model(task: Task, data: GroupedDataset, device: torch.device) -> nn.Module:
    """Return a fresh model of a task, with its starting weights.

    Args:
        task: Gives the model and the seed.
        data: Gives the number of classes.
        device: Where the model goes.

    Returns:
        The model; equal arguments give equal weights.
    """
    return build_model(task.model, len(data.info.classes), task.seed, device)


def epoch_rng(seed: int, stage: str) -> Callable[[int], np.random.Generator]:
    """Return the function from an epoch's number to its generator, for one phase of a run."""
    return lambda epoch: rng(seed, NAMESPACE, stage, epoch)


def check_loss(number: int, loss: float, what: str) -> None:
    """Refuse a loss that is not a number: nothing after it would mean anything.

    Args:
        number: Number of the epoch.
        loss: Its mean loss.
        what: What was trained, for the message.

    Raises:
        FedgroupError: where the loss is not finite.
    """
    if not np.isfinite(loss):
        raise FedgroupError(
            f"{what} diverged in epoch {number} (loss {loss}): lower its learning rate"
        )
