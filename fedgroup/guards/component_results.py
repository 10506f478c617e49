"""What components give back, checked where it comes in: type, shape, dtype, with their name first.

Every function takes `who`, such as "MyRule.step", and raises a FedgroupError that begins with it.
data_results.py does the same for data.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fedgroup.errors import FedgroupError

_STORED = "biufcUSmM"
"""Kinds of numpy dtypes that a checkpoint holds as they are."""


def described(value: object) -> str:
    """Return what a value is, in few words: its shape and dtype, or its type."""
    if isinstance(value, np.ma.MaskedArray):
        return f"a masked {value.shape} {value.dtype}"
    if isinstance(value, np.ndarray):
        return f"{value.shape} {value.dtype}"
    return "None" if value is None else type(value).__name__


def checked_vector(
    who: str, value: object, size: int, note: str = "", kind: str = "float32"
) -> NDArray[Any]:
    """Return a vector that a component gave back.

    Args:
        who: Component and method.
        value: What it gave back.
        size: Length that it must have.
        note: What else the message says, such as the round.
        kind: Its dtype.

    Returns:
        The vector (size,), in C-order.

    Raises:
        FedgroupError: It is no array, or of another shape or dtype.
    """
    if not isinstance(value, np.ndarray) or isinstance(value, np.ma.MaskedArray):
        fits = False
    else:
        fits = value.shape == (size,) and value.dtype == np.dtype(kind)
    if not fits:
        raise FedgroupError(f"{who} returned {described(value)}, expected ({size},) {kind}{note}")
    vector: NDArray[Any] = np.ascontiguousarray(value)
    return vector


def checked_state(who: str, value: object, note: str = "") -> dict[str, NDArray[Any]]:
    """Return a state that a component gave back, as a checkpoint gives it back.

    Args:
        who: Component and method.
        value: What it gave back.
        note: What else the message says, such as the round.

    Returns:
        The named arrays, in C-order: a sum over another order has other bits after a resume.

    Raises:
        FedgroupError: It is no dict of named numpy arrays that a checkpoint can hold.
    """
    if not isinstance(value, Mapping):
        raise FedgroupError(
            f"{who} returned {described(value)} as its state, expected a dict of named numpy "
            f"arrays{note}"
        )
    state = {}
    for name, array in value.items():
        plain = isinstance(array, np.ndarray | np.generic)
        if not isinstance(name, str) or not plain or isinstance(array, np.ma.MaskedArray):
            raise FedgroupError(
                f"{who} returned state {name!r} as {described(array)}, which a checkpoint cannot "
                f"hold: give a numpy array{note}"
            )
        if array.dtype.kind not in _STORED:
            raise FedgroupError(
                f"{who} returned state {name!r} of dtype {array.dtype}, which a checkpoint cannot "
                f"hold: give numbers or text{note}"
            )
        state[name] = np.asarray(array, order="C")
    return state


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view of the array that cannot be written to; nothing is copied."""
    if not array.flags.writeable:
        return array
    view = array.view()
    view.flags.writeable = False
    return view


def checked_model(who: str, value: object) -> nn.Module:
    """Return the network that a model component gave back."""
    if not isinstance(value, nn.Module):
        raise FedgroupError(f"{who} returned {described(value)}, expected a torch.nn.Module")
    return value


def checked_logits(model: nn.Module, value: object, batch: int, classes: int) -> torch.Tensor:
    """Return the outputs of a network for a batch.

    Args:
        model: The network.
        value: What it gave back.
        batch: B, the number of pictures.
        classes: C, the number of classes.

    Returns:
        Logits, (B, C).

    Raises:
        FedgroupError: They have another shape; more outputs than classes would be trained too.
    """
    if isinstance(value, torch.Tensor) and tuple(value.shape) == (batch, classes):
        return value
    got = tuple(value.shape) if isinstance(value, torch.Tensor) else described(value)
    raise FedgroupError(
        f"{type(model).__name__}.forward returned {got} for {batch} pictures of {classes} classes, "
        f"expected logits ({batch}, {classes})"
    )


def checked_plain(who: str, value: Mapping[str, Any], where: str) -> None:
    """Refuse values that JSON cannot hold.

    Args:
        who: Component and method.
        value: Values by name.
        where: Where they are to be written.

    Raises:
        FedgroupError: One of them is no plain finite value.
    """
    for name, item in value.items():
        try:
            json.dumps(item, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise FedgroupError(
                f"{who} gave {name!r} as {described(item)}, which {where} cannot hold ({error}): "
                f"give plain finite numbers, text or lists"
            ) from error


def checked_shares(who: str, value: object, count: int, note: str = "") -> NDArray[np.float64]:
    """Return the influences of N clients that a rule gave back.

    Args:
        who: Component and method.
        value: What it gave back.
        count: N, the number of clients.
        note: What else the message says, such as the round.

    Returns:
        Shares, (N,) float64.

    Raises:
        FedgroupError: They are not N finite numbers of at least 0 that sum to 1, or all 0.
    """
    if not isinstance(value, np.ndarray) or value.shape != (count,) or value.dtype.kind != "f":
        raise FedgroupError(f"{who} returned {described(value)}, expected ({count},) float64{note}")
    total = float(value.sum())
    if not np.isfinite(value).all() or (value < 0).any() or (total and abs(total - 1) > 1e-5):
        raise FedgroupError(
            f"{who} returned shares {value.min():.3g}..{value.max():.3g} that sum to {total:.6g}, "
            f"expected finite numbers of at least 0 that sum to 1{note}"
        )
    shares: NDArray[np.float64] = value.astype(np.float64, copy=False)
    return shares
