"""A model as flat vectors: trainable parameters, float buffers and integer counters, kept apart.

BatchNorm's running statistics must never go under a top-k, a momentum or an error feedback, and
its counters must never be averaged as floats. So a model travels as three vectors: `theta` (P,)
float32, `buffers` (Q,) float32, `counters` (C,) int64, each in C-order and in the order of
named_parameters() / named_buffers(). Complex buffers travel as pairs of floats.
"""

import hashlib
import itertools
import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.parameter import is_lazy

from fedgroup.errors import FedgroupError


@dataclass(frozen=True)
class Weights:
    """The three vectors of a model."""

    theta: NDArray[np.float32]
    """Trainable parameters, (P,)."""
    buffers: NDArray[np.float32]
    """Float buffers, such as BatchNorm's running statistics, (Q,)."""
    counters: NDArray[np.int64]
    """Integer buffers, such as BatchNorm's counts of batches, (C,)."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str = "") -> "Weights":
        """Return the vectors stored under their names, each after `prefix`; others are left out."""
        return cls(*(arrays[f"{prefix}{name}"] for name in ("theta", "buffers", "counters")))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the vectors by name, as they are sent and stored."""
        return {"theta": self.theta, "buffers": self.buffers, "counters": self.counters}


@dataclass(frozen=True)
class Entry:
    """One tensor of the model and its place."""

    kind: str
    """Vector that it is in: theta, buffers or counters."""
    name: str
    """Name in the model, as named_parameters() or named_buffers() gives it."""
    shape: tuple[int, ...]
    """Shape of the tensor."""
    offset: int
    """Position of its first value in the vector."""

    @property
    def size(self) -> int:
        """Number of values of the tensor."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Layout:
    """Table of all tensors of a model; models of equal layouts can exchange vectors."""

    entries: tuple[Entry, ...]
    """Tensors in the order of their vectors."""

    @classmethod
    def of(cls, model: nn.Module) -> "Layout":
        """Return the table of a model; refuse one without trainable parameters."""
        sizes = {"theta": 0, "buffers": 0, "counters": 0}
        entries = []
        for kind, name, tensor in _tensors(model):
            entries.append(Entry(kind, name, tuple(tensor.shape), sizes[kind]))
            sizes[kind] += tensor.numel()
        if not sizes["theta"]:
            raise FedgroupError(f"{type(model).__name__} has no trainable parameters")
        return cls(tuple(entries))

    def length(self, kind: str) -> int:
        """Return the number of values in the vector `kind` (theta, buffers or counters)."""
        return self._lengths[kind]

    @cached_property
    def _lengths(self) -> dict[str, int]:
        lengths = {"theta": 0, "buffers": 0, "counters": 0}
        for entry in self.entries:
            lengths[entry.kind] += entry.size
        return lengths

    def hash(self) -> str:
        """Return 12 hex digits naming the table; stored with every checkpoint."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        rows = [[e.kind, e.name, list(e.shape), e.offset] for e in self.entries]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]

    def slice(self, kind: str, suffix: str) -> NDArray[np.bool_]:
        """Return the mask over the vector `kind` of the tensors whose name ends in `suffix`."""
        mask = np.zeros(self.length(kind), np.bool_)
        for entry in self.entries:
            if entry.kind == kind and entry.name.endswith(suffix):
                mask[entry.offset : entry.offset + entry.size] = True
        return mask


def _tensors(model: nn.Module) -> list[tuple[str, str, torch.Tensor]]:
    rows: list[tuple[str, str, torch.Tensor]] = []
    rows += [("theta", name, p) for name, p in model.named_parameters() if p.requires_grad]
    for name, tensor in model.named_buffers():
        if tensor.is_complex():
            tensor = torch.view_as_real(tensor)
        rows.append(("buffers" if tensor.is_floating_point() else "counters", name, tensor))
    return rows


def refuse_unsent(model: nn.Module) -> None:
    """Refuse a model whose tensors the vectors cannot carry as they are.

    Raises:
        FedgroupError: A parameter is wider than float32 or not made yet, a tensor is not dense, or
            two of them share memory without being one, which a move to another device would end.
    """
    who = type(model).__name__
    spans = []
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if is_lazy(tensor):
            raise FedgroupError(f"{who}: '{name}' has no shape yet: run one batch in build()")
        if tensor.layout is not torch.strided or tensor.is_quantized:
            raise FedgroupError(f"{who}: '{name}' is no dense tensor: use .to_dense()")
        if tensor.requires_grad and (tensor.dtype == torch.float64 or tensor.is_complex()):
            raise FedgroupError(
                f"{who}: parameter '{name}' is {tensor.dtype}, and parameters travel as float32: "
                f"make it float32"
            )
        if tensor.numel() and tensor.device.type != "meta":
            steps = zip(tensor.shape, tensor.stride(), strict=True)
            last = sum((size - 1) * step for size, step in steps)
            start = tensor.data_ptr()
            spans.append((start, start + (last + 1) * tensor.element_size(), name))
            if last + 1 < tensor.numel():
                raise FedgroupError(f"{who}: '{name}' holds one value in many places: clone it")
    spans.sort()
    for (_, end, one), (start, _, two) in itertools.pairwise(spans):
        if start < end:
            raise FedgroupError(
                f"{who}: '{one}' and '{two}' share memory but are two tensors: assign the same "
                f"Parameter to both, or clone one"
            )


def read(model: nn.Module) -> Weights:
    """Copy a model's tensors into fresh flat vectors; refuse values that would change there."""
    parts: dict[str, list[torch.Tensor]] = {"theta": [], "buffers": [], "counters": []}
    for kind, name, tensor in _tensors(model):
        if tensor.dtype == torch.float64:
            _refuse_rounding(name, tensor.detach())
        parts[kind].append(tensor.detach())
    return Weights(
        _vector(parts["theta"], torch.float32),
        _vector(parts["buffers"], torch.float32),
        _vector(parts["counters"], torch.int64),
    )


def _refuse_rounding(name: str, tensor: torch.Tensor) -> None:
    """Refuse a float64 buffer whose values float32 cannot hold."""
    rounded = tensor.to(torch.float32).to(torch.float64)
    if not torch.equal(rounded.nan_to_num(), tensor.nan_to_num()):
        raise FedgroupError(
            f"buffer '{name}' is float64 with values that change as float32, in which buffers "
            f"travel: register it as float32"
        )


def _vector(tensors: list[torch.Tensor], dtype: torch.dtype) -> NDArray[Any]:
    """Lay tensors end to end in C-order; from a device they come in one transfer."""
    device = tensors[0].device if tensors else "cpu"
    out = torch.empty(sum(tensor.numel() for tensor in tensors), dtype=dtype, device=device)
    start = 0
    for tensor in tensors:
        out[start : start + tensor.numel()].view(tensor.shape).copy_(tensor)
        start += tensor.numel()
    return out.cpu().numpy()


def write(model: nn.Module, weights: Weights) -> None:
    """Copy flat vectors into a model's tensors; refuse vectors of another length."""
    arrays = weights.arrays()
    offsets = dict.fromkeys(arrays, 0)
    sources: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        for kind, name, tensor in _tensors(model):
            start, size = offsets[kind], tensor.numel()
            if start + size > len(arrays[kind]):
                raise FedgroupError(
                    f"{kind} has {len(arrays[kind])} values, too few to fill '{name}'"
                )
            if kind not in sources:  # to a device in one transfer
                sources[kind] = _tensor(arrays[kind]).to(tensor.device)
            tensor.copy_(sources[kind][start : start + size].view(tensor.shape))
            offsets[kind] = start + size
    for kind, used in offsets.items():
        if used != len(arrays[kind]):
            raise FedgroupError(f"{kind} has {len(arrays[kind])} values, this model takes {used}")


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    """Return the array's memory as a tensor, also where it is read-only: nothing writes to it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(np.ascontiguousarray(array))
