"""Predictions and group counts of a model, in evaluation mode."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fedgroup.dataset import GroupedDataset
from fedgroup.groups import Counts

BATCH = 256
"""Samples per forward pass; the predictions do not depend on it beyond float rounding."""


@torch.inference_mode()
def predict(
    model: nn.Module, data: GroupedDataset, device: torch.device | str = "cpu", precision: str = "float32"
) -> NDArray[np.int64]:
    """Predicted class of every sample, (N,) int64; ties go to the lowest class index."""
    model.eval()
    device = torch.device(device)
    out = []
    for start in range(0, len(data), BATCH):
        positions = np.arange(start, min(start + BATCH, len(data)))
        x = data.batch(positions, device).x
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            out.append(model(x).argmax(1))
    return torch.cat(out).cpu().numpy() if out else np.empty(0, np.int64)


def count(
    model: nn.Module, data: GroupedDataset, device: torch.device | str = "cpu", precision: str = "float32"
) -> Counts:
    """Correct and total predictions per group of a clean split."""
    predicted = predict(model, data, device, precision)
    return Counts.of(predicted, data.y, data.group, len(data.info.groups))
