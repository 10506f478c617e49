"""Identification phases on disk: trained once for every case, factor and early stop that asks for them.

A stage is plain training (ERM) whose product is kept in cache_dir()/stages under a hash of everything it
depends on: the content of the data, the starting weights, the training settings, the seed, the device
and the version of torch; not how long it trains. It is stored after every epoch, so a stopped one goes
on, a longer one continues a shorter one, and a shorter one is a part of a longer one. Workers that need
the same stage wait for the first.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from fedgroup.cache import Arrays, alone, fingerprint, load, save
from fedgroup.dataset import Batch, GroupedDataset, Ints
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.layout import Weights, read, write
from fedgroup.paths import cache_dir
from fedgroup.predict import count, predict
from fedgroup.spec import to_dict
from fedgroup.train import Draw, Objective, Progress, TrainConfig, epochs

FORMAT = 1
"""Raised when equal settings would no longer give equal stages."""
Predictions = Literal["online", "eval"]
"""online: made while training, before each step; eval: made in evaluation mode between epochs."""
STATE = ("theta", "buffers", "counters", "momentum", "epoch")


class Keeper(Protocol):
    """What a stage keeps of its training, besides the state to go on from."""

    names: tuple[str, ...]

    @property
    def objective(self) -> Objective | None:
        """Objective of the training; None: mean cross-entropy."""
        ...

    @property
    def draw(self) -> Draw | None:
        """Samples of an epoch; None: all, shuffled."""
        ...

    def after(self, model: nn.Module, number: int) -> None:
        """Look at the model after epoch `number`; 0 is the start."""
        ...

    def arrays(self) -> Arrays:
        """Everything kept so far, by `names`."""
        ...

    def load(self, arrays: Arrays) -> None:
        """Go on from what arrays() gave."""
        ...


@dataclass(frozen=True)
class Stage:
    """One identification phase."""

    build: Callable[[], nn.Module]
    """Makes the start model, on the device."""
    data: GroupedDataset
    config: TrainConfig
    """How it trains; its epochs are overruled by what is asked for."""
    rng: Callable[[int], np.random.Generator]
    """Generator of an epoch by its number."""
    address: tuple[Any, ...]
    """Names the generators: equal addresses give equal streams."""
    device: torch.device

    def predictions(self, step: int, how: Predictions) -> Ints:
        """Predicted classes (N,) at 0-based epoch index `step`, that is after `step` full epochs.

        online: those of the epoch that follows, each before its step, in training mode (official JTT).
        """
        keeper: _Rows = (_Online if how == "online" else _Evaluated)(
            self.data, self.device, self.config
        )
        self.keep({"product": how}, keeper, step + (how == "online"))
        return keeper.rows[step].astype(np.int64)

    def best(
        self, length: int, val: GroupedDataset, score: Callable[[Counts], float], name: str
    ) -> Weights:
        """Weights after the first epoch of highest validation score (called `name`) in `length` epochs."""
        keeper = _Best(val, score, self.device, self.config.precision)
        counts = list(self.data.info.train_counts)  # the weights of an adjusted score
        product = {"product": "best", "score": name, "counts": counts, "val": fingerprint(val)}
        self.keep({**product, "length": length}, keeper, length)
        return keeper.weights

    def path(self, product: dict[str, Any]) -> Path:
        """File of a product of this stage."""
        start = hashlib.sha256()
        for array in read(self.build()).arrays().values():
            start.update(array.tobytes())
        settings = {name: value for name, value in to_dict(self.config).items() if name != "epochs"}
        parts = {
            "format": FORMAT,
            "data": fingerprint(self.data),
            "start": start.hexdigest(),
            "train": settings,
            "rng": list(self.address),
            "device": self.device.type,
            "torch": torch.__version__,
            **product,
        }
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
        return cache_dir() / "stages" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.npz"

    def keep(self, product: dict[str, Any], keeper: Keeper, length: int) -> None:
        """Bring the keeper to `length` epochs, from the file as far as it goes."""
        path = self.path(product)
        with alone(path):
            stored = load(path, {*STATE, *keeper.names})
            if stored is not None:
                keeper.load(stored)
                if stored["epoch"] >= length:
                    return
            self._train(path, stored, keeper, length)

    def _train(self, path: Path, stored: Arrays | None, keeper: Keeper, length: int) -> None:
        model = self.build()
        state = None
        if stored is not None:
            write(model, Weights(*(stored[name] for name in STATE[:3])))
            state = Progress(int(stored["epoch"]), stored["momentum"])
        else:
            keeper.after(model, 0)
            save(path, _stored(model, Progress(0, np.empty(0, np.float32)), keeper))
        if length == 0:
            return
        config = replace(self.config, epochs=length)
        made = epochs(
            *(model, self.data, config, self.rng, self.device),
            objective=keeper.objective,
            draw=keeper.draw,
            state=state,
        )
        for epoch in made:
            check_loss(epoch.number, epoch.loss, "the identification model")
            progress = epoch.progress()
            keeper.after(model, epoch.number)
            save(path, _stored(model, progress, keeper))


def check_loss(number: int, loss: float, what: str) -> None:
    """Refuse a loss that is not a number: nothing after it would mean anything."""
    if not np.isfinite(loss):
        raise FedgroupError(
            f"{what} diverged in epoch {number} (loss {loss}): lower its learning rate"
        )


def _stored(model: nn.Module, progress: Progress, keeper: Keeper) -> Arrays:
    state = {"momentum": progress.momentum, "epoch": np.array(progress.epoch)}
    return {**read(model).arrays(), **state, **keeper.arrays()}


class _Rows:
    """Predictions of every epoch, (E, N)."""

    names: tuple[str, ...] = ("rows",)
    objective: Objective | None = None
    draw: Draw | None = None

    def __init__(self, data: GroupedDataset, device: torch.device, config: TrainConfig) -> None:
        self.data, self.device, self.precision = data, device, config.precision
        self.dtype = np.int8 if len(data.info.classes) < 128 else np.int32
        self.rows: list[NDArray[Any]] = []

    def after(self, model: nn.Module, number: int) -> None:
        raise NotImplementedError

    def arrays(self) -> Arrays:
        empty = np.empty((0, len(self.data)), self.dtype)
        return {"rows": np.stack(self.rows) if self.rows else empty}

    def load(self, arrays: Arrays) -> None:
        self.rows = list(arrays["rows"])


class _Evaluated(_Rows):
    """Row e: in evaluation mode after e epochs."""

    def after(self, model: nn.Module, number: int) -> None:
        self.rows.append(predict(model, self.data, self.device, self.precision).astype(self.dtype))


class _Online(_Rows):
    """Row e: while epoch e + 1 trains, as the official code does."""

    def __init__(self, data: GroupedDataset, device: torch.device, config: TrainConfig) -> None:
        super().__init__(data, device, config)
        position = np.zeros(int(data.index.max()) + 1, np.int64)
        position[data.index] = np.arange(len(data))
        self.position = torch.from_numpy(position).to(device)
        self.row = torch.zeros(len(data), dtype=torch.int64, device=device)
        self.objective = self._record

    def _record(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        self.row[self.position[batch.index]] = logits.detach().argmax(1)
        return F.cross_entropy(logits, batch.y)

    def after(self, model: nn.Module, number: int) -> None:
        if number:
            self.rows.append(self.row.cpu().numpy().astype(self.dtype))


class _Best:
    """Weights of the first epoch of highest validation score."""

    names: tuple[str, ...] = ("best.theta", "best.buffers", "best.counters", "best.score")
    objective: Objective | None = None
    draw: Draw | None = None

    def __init__(
        self,
        val: GroupedDataset,
        score: Callable[[Counts], float],
        device: torch.device,
        precision: str,
    ) -> None:
        self.val, self.score, self.device, self.precision = val, score, device, precision
        self.weights: Weights
        self.value = -1.0

    def after(self, model: nn.Module, number: int) -> None:
        predicted = predict(model, self.val, self.device, self.precision)
        value = self.score(count(predicted, self.val))
        if number == 0:
            self.weights = read(model)  # a placeholder: the start is never the best
        elif value > self.value:
            self.value, self.weights = value, read(model)

    def arrays(self) -> Arrays:
        held = {f"best.{name}": array for name, array in self.weights.arrays().items()}
        return {**held, "best.score": np.array(self.value)}

    def load(self, arrays: Arrays) -> None:
        self.weights = Weights(
            *(arrays[f"best.{name}"] for name in ("theta", "buffers", "counters"))
        )
        self.value = float(arrays["best.score"])
