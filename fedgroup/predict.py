"""Predictions and group counts of a model, in evaluation mode."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.device import cores
from fedgroup.group_metrics import Counts

BATCH = 256
"""Samples per forward pass; the predictions do not depend on it beyond float rounding."""


def predict(
    model: nn.Module,
    data: GroupedDataset,
    device: torch.device | str = "cpu",
    precision: str = "float32",
) -> NDArray[np.int64]:
    """Predicted class of every sample, (N,) int64; ties go to the lowest class index."""
    device = torch.device(device)

    def classes(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            found: torch.Tensor = model(x).argmax(1)
        return found

    out = in_batches(model, classes, data, device)
    return np.empty(0, np.int64) if out is None else out.numpy()


def in_batches(
    model: nn.Module,
    outputs: Callable[[torch.Tensor], torch.Tensor],
    data: GroupedDataset,
    device: torch.device,
) -> torch.Tensor | None:
    """Rows that `outputs` gives for the images (B, 3, H, W) of every batch, `model` in evaluation mode.

    One tensor on the CPU, a row per sample; None without samples. On the CPU the batches are spread over
    the cores of this process, each on one thread, so that the bits do not depend on how many there are.
    """
    model.eval()

    def rows(start: int) -> torch.Tensor:
        positions = np.arange(start, min(start + BATCH, len(data)))
        with torch.inference_mode():
            return outputs(data.batch(positions, device).x)

    starts = range(0, len(data), BATCH)
    if not starts:
        return None
    if device.type != "cpu":
        return torch.cat([rows(start) for start in starts]).cpu()
    workers = min(cores(), len(starts))
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return torch.cat(list(pool.map(rows, starts)))


def count(predicted: Ints, data: GroupedDataset) -> Counts:
    """Correct and all predictions per group, given the predicted classes (N,) of a clean split."""
    return Counts.of(predicted, data.y, data.group, len(data.info.groups))
