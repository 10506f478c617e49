"""What a model says of every sample, in evaluation mode: classes, group counts, logits, gradients.

The gradient of a sample's cross-entropy with respect to its logits (C,) is softmax(logits) -
one_hot(y). It stands in for the gradient of the whole model (Katharopoulos and Fleuret, Not All
Samples Are Created Equal, ICML 2018; Yang et al., EPIC, ICML 2022, section 3).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.device import cores
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.guards.component_results import checked_logits
from fedgroup.seeding import changed_streams, global_state, global_streams, restore_global_state

BATCH = 256
"""Samples per forward pass; the predictions do not depend on it beyond float rounding."""
Rows = NDArray[np.float32]
"""Logits or gradients, (N, C): a row per sample, a column per class."""


def predict(
    model: nn.Module,
    data: GroupedDataset,
    device: torch.device | str = "cpu",
    precision: str = "float32",
) -> NDArray[np.int64]:
    """Return the predicted class of every sample.

    Args:
        model: Network with C outputs, on `device`; left in evaluation mode.
        data: N samples.
        device: Where the network computes.
        precision: float32, or bfloat16 for a forward pass under autocast.

    Returns:
        Classes, (N,) int64; ties go to the lowest class index.
    """
    device = torch.device(device)

    def classes(x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            found = checked_logits(model, model(x), len(x), len(data.info.classes))
            highest: torch.Tensor = found.argmax(1)
        return highest

    predicted = in_batches(model, classes, data, device)
    return np.empty(0, np.int64) if predicted is None else predicted.numpy()


def in_batches(
    model: nn.Module,
    outputs: Callable[[torch.Tensor], torch.Tensor],
    data: GroupedDataset,
    device: torch.device,
) -> torch.Tensor | None:
    """Apply a function to the images of every batch, with `model` in evaluation mode.

    On the CPU the batches are spread over the cores of this process, each on one thread, so that
    the bits do not depend on how many there are.

    Args:
        model: Network that `outputs` uses.
        outputs: From images (B, 3, H, W) float32 to rows (B, ...).
        data: N samples.
        device: Where the images go and the network computes.

    Returns:
        The rows (N, ...) on the CPU; None without samples.
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
        with global_streams(0, "evaluation"):
            return torch.cat([rows(start) for start in starts]).cpu()
    workers = min(cores(), len(starts))
    with global_streams(0, "evaluation"):
        before = global_state()
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            found = torch.cat(list(pool.map(rows, starts)))
        if not changed_streams(before):
            return found
        # a model that draws also in evaluation draws batch after batch, whoever has how many cores
        restore_global_state(before)
        return torch.cat([rows(start) for start in starts])


def count(predicted: Ints, data: GroupedDataset) -> Counts:
    """Return the correct and all predictions per group, given the predicted classes (N,)."""
    return Counts.of(predicted, data.y, data.group, len(data.info.groups))


def logits(
    model: nn.Module,
    data: GroupedDataset,
    device: torch.device | str = "cpu",
    *,
    no_bias: bool = False,
) -> Rows:
    """Return the model's outputs, always computed in float32.

    Args:
        model: Network with C outputs, on `device`; left in evaluation mode.
        data: N samples.
        device: Where the network computes.
        no_bias: Whether the bias of the last layer is subtracted.

    Returns:
        Logits, (N, C) float32.

    Raises:
        FedgroupError: where no_bias is set and the model does not end in a linear layer `fc`.
    """
    bias = _bias(model) if no_bias else None

    def outputs(x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = model(x).float()
        return out if bias is None else out - bias

    rows = in_batches(model, outputs, data, torch.device(device))
    return np.empty((0, len(data.info.classes)), np.float32) if rows is None else rows.numpy()


def proxies(rows: Rows, y: Ints) -> Rows:
    """Return the gradient proxies softmax - one-hot of logits (N, C) float32 and labels y (N,).

    Raises:
        FedgroupError: where the shapes do not fit, or a logit is not finite.
    """
    if rows.ndim != 2 or y.shape != rows.shape[:1]:
        raise FedgroupError(f"logits {rows.shape} and labels {y.shape} do not fit: (N, C) and (N,)")
    bad = np.flatnonzero(~np.isfinite(rows).all(1))
    if len(bad):
        raise FedgroupError(
            f"the outputs for {len(bad)} of {len(rows)} samples are not finite, "
            f"the first is sample {bad[0]}: the model has diverged, use a lower learning rate"
        )
    if not len(rows):
        return rows
    with np.errstate(over="ignore"):  # a difference of -inf is a probability of 0
        scaled = np.exp(rows - rows.max(1, keepdims=True))
    gradients: Rows = scaled / scaled.sum(1, keepdims=True)
    gradients[np.arange(len(y)), y] -= 1.0
    return gradients


def last_layer_gradients(
    model: nn.Module,
    data: GroupedDataset,
    device: torch.device | str = "cpu",
    *,
    no_bias: bool = False,
) -> Rows:
    """Return the gradient proxy of every sample: proxies() of logits(), which see.

    Args:
        model: Network with C outputs, on `device`; left in evaluation mode.
        data: N samples.
        device: Where the network computes.
        no_bias: Whether the bias of the last layer is subtracted from the logits.

    Returns:
        Gradients with respect to the logits, (N, C) float32.
    """
    return proxies(logits(model, data, device, no_bias=no_bias), data.y)


def _bias(model: nn.Module) -> torch.Tensor | None:
    layer = getattr(model, "fc", None)
    if not isinstance(layer, nn.Linear):
        raise FedgroupError(
            f"no_bias needs a model that ends in a linear layer `fc`, "
            f"{type(model).__name__} has none: set no_bias to false"
        )
    return None if layer.bias is None else layer.bias.detach()
