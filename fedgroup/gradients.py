"""How one sample would move the last layer: softmax - one-hot, the gradient that EPIC compares samples by.

The gradient of the cross-entropy with respect to the logits (C,) of a sample is softmax(logits) - one_hot(y).
It stands in for the gradient of the whole model (Katharopoulos and Fleuret, 2018; EPIC, section 3).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.errors import FedgroupError
from fedgroup.predict import in_batches

Rows = NDArray[np.float32]


def logits(
    model: nn.Module,
    data: GroupedDataset,
    device: torch.device | str = "cpu",
    *,
    no_bias: bool = False,
) -> Rows:
    """Outputs of the model in evaluation mode, (N, C) float32; without the last layer's bias if no_bias.

    Always computed in float32. Raises FedgroupError where a bias is to be left out of a model that does not
    end in a linear layer `fc`.
    """
    bias = _bias(model) if no_bias else None

    def outputs(x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = model(x).float()
        return found if bias is None else found - bias

    out = in_batches(model, outputs, data, torch.device(device))
    return np.empty((0, len(data.info.classes)), np.float32) if out is None else out.numpy()


def proxies(rows: Rows, y: Ints) -> Rows:
    """Gradient proxies softmax - one-hot of logits (N, C) float32 and labels y (N,), (N, C) float32.

    Raises FedgroupError on logits that are not finite.
    """
    if rows.ndim != 2 or y.shape != rows.shape[:1]:
        raise FedgroupError(f"logits {rows.shape} and labels {y.shape} do not fit: (N, C) and (N,)")
    bad = np.flatnonzero(~np.isfinite(rows).all(1))
    if len(bad):
        raise FedgroupError(
            f"the outputs for {len(bad)} of {len(rows)} samples are not finite, the first is sample "
            f"{bad[0]}: the model has diverged, use a lower learning rate"
        )
    if not len(rows):
        return rows
    with np.errstate(over="ignore"):  # a difference of -inf is a probability of 0
        scaled = np.exp(rows - rows.max(1, keepdims=True))
    found: Rows = scaled / scaled.sum(1, keepdims=True)
    found[np.arange(len(y)), y] -= 1.0
    return found


def last_layer_gradients(
    model: nn.Module,
    data: GroupedDataset,
    device: torch.device | str = "cpu",
    *,
    no_bias: bool = False,
) -> Rows:
    """Gradient proxy of every sample in evaluation mode, (N, C) float32: proxies() of logits()."""
    return proxies(logits(model, data, device, no_bias=no_bias), data.y)


def _bias(model: nn.Module) -> torch.Tensor | None:
    layer = getattr(model, "fc", None)
    if not isinstance(layer, nn.Linear):
        raise FedgroupError(
            f"no_bias needs a model that ends in a linear layer `fc`, {type(model).__name__} has none: "
            f"set no_bias to false"
        )
    return None if layer.bias is None else layer.bias.detach()
