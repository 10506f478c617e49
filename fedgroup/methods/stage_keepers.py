"""What a first phase keeps of its training: predictions of every epoch, or the best weights."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from fedgroup.dataset import Batch, GroupedDataset
from fedgroup.group_metrics import Counts
from fedgroup.layout import Weights, read
from fedgroup.predict import count, predict
from fedgroup.storage import Arrays
from fedgroup.train import Draw, Objective


class Keeper(Protocol):
    """What a stage keeps of its training, besides the state to go on from."""

    names: tuple[str, ...]
    """Names of the arrays in `arrays`, as they are in the stage's file."""

    @property
    def objective(self) -> Objective | None:
        """Objective of the training; None: mean cross-entropy."""
        ...

    @property
    def draw(self) -> Draw | None:
        """Samples of an epoch; None: all, shuffled."""
        ...

    def after_epoch(self, number: int, model: nn.Module) -> None:
        """Look at the model after epoch `number`; 0 is the start."""
        ...

    def arrays(self) -> Arrays:
        """Return everything kept so far, by `names`."""
        ...

    def load(self, arrays: Arrays) -> None:
        """Go on from what arrays() gave."""
        ...


class _Predictions:
    """Predictions of every epoch, (E, N)."""

    names: tuple[str, ...] = ("rows",)
    objective: Objective | None = None
    draw: Draw | None = None

    def __init__(self, data: GroupedDataset, device: torch.device, precision: str) -> None:
        self.data, self.device, self.precision = data, device, precision
        self.dtype = np.int8 if len(data.info.classes) < 128 else np.int32
        self.rows: list[NDArray[np.signedinteger[Any]]] = []
        """Predicted classes (N,) of each epoch."""

    def arrays(self) -> Arrays:
        empty = np.empty((0, len(self.data)), self.dtype)
        return {"rows": np.stack(self.rows) if self.rows else empty}

    def load(self, arrays: Arrays) -> None:
        self.rows = list(arrays["rows"])


class EvalPredictions(_Predictions):
    """Row e: predictions in evaluation mode after e epochs."""

    def after_epoch(self, number: int, model: nn.Module) -> None:
        """Predict every sample."""
        row = predict(model, self.data, self.device, self.precision)
        self.rows.append(row.astype(self.dtype))


class OnlinePredictions(_Predictions):
    """Row e: predictions made while epoch e + 1 trains, before each step, as in official JTT."""

    def __init__(self, data: GroupedDataset, device: torch.device, precision: str) -> None:
        super().__init__(data, device, precision)
        position = np.zeros(int(data.index.max()) + 1, np.int64)
        position[data.index] = np.arange(len(data))
        self.position = torch.from_numpy(position).to(device)
        self.row = torch.zeros(len(data), dtype=torch.int64, device=device)
        self.objective = self._record

    def _record(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Cross-entropy; the predictions of the batch are noted on the way."""
        self.row[self.position[batch.index]] = logits.detach().argmax(1)
        return F.cross_entropy(logits, batch.y)

    def after_epoch(self, number: int, model: nn.Module) -> None:
        """Keep what was noted during the epoch."""
        if number:
            self.rows.append(self.row.cpu().numpy().astype(self.dtype))


class BestWeights:
    """Weights after the first epoch of highest validation score."""

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

    def after_epoch(self, number: int, model: nn.Module) -> None:
        """Keep the weights where they are better than before."""
        predicted = predict(model, self.val, self.device, self.precision)
        value = self.score(count(predicted, self.val))
        if number == 0:
            self.weights = read(model)  # a placeholder: the start is never the best
        elif value > self.value:
            self.value, self.weights = value, read(model)

    def arrays(self) -> Arrays:
        """Return the best weights and their score."""
        weights = {f"best.{name}": array for name, array in self.weights.arrays().items()}
        return {**weights, "best.score": np.array(self.value)}

    def load(self, arrays: Arrays) -> None:
        """Go on from stored weights and their score."""
        self.weights = Weights.from_arrays(arrays, "best.")
        self.value = float(arrays["best.score"])
