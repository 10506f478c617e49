"""Predictions and group counts of a model, in evaluation mode."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fedgroup.dataset import GroupedDataset
from fedgroup.device import cores
from fedgroup.groups import Counts

BATCH = 256
"""Samples per forward pass; the predictions do not depend on it beyond float rounding."""


def predict(
    model: nn.Module, data: GroupedDataset, device: torch.device | str = "cpu", precision: str = "float32"
) -> NDArray[np.int64]:
    """Predicted class of every sample, (N,) int64; ties go to the lowest class index.

    On the CPU the batches are spread over the cores of this process, each on one thread, so that the
    bits do not depend on how many there are.
    """
    model.eval()
    device = torch.device(device)

    def classes(start: int) -> torch.Tensor:
        positions = np.arange(start, min(start + BATCH, len(data)))
        with (
            torch.inference_mode(),
            torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"),
        ):
            found: torch.Tensor = model(data.batch(positions, device).x).argmax(1)
        return found

    starts = range(0, len(data), BATCH)
    workers = min(cores(), len(starts)) if device.type == "cpu" else 1
    if workers > 1:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            out = list(pool.map(classes, starts))
    else:
        out = [classes(start) for start in starts]
    return torch.cat(out).cpu().numpy() if out else np.empty(0, np.int64)


def count(
    model: nn.Module, data: GroupedDataset, device: torch.device | str = "cpu", precision: str = "float32"
) -> Counts:
    """Correct and total predictions per group of a clean split."""
    predicted = predict(model, data, device, precision)
    return Counts.of(predicted, data.y, data.group, len(data.info.groups))
