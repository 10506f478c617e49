"""A model as flat vectors: trainable parameters, float buffers and integer counters, kept apart.

BatchNorm's running statistics must never go under a top-k, a momentum or an error feedback, and its
counters must never be averaged as floats (spec federated 1.4). So a model travels as three vectors:
`theta` (P,) float32, `buffers` (Q,) float32, `counters` (C,) int64, each in C-order and in the order
of named_parameters() / named_buffers().
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fedgroup.errors import FedgroupError


@dataclass(frozen=True)
class Weights:
    """The three vectors of a model."""

    theta: NDArray[np.float32]
    buffers: NDArray[np.float32]
    counters: NDArray[np.int64]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The vectors by name, as they are sent and stored."""
        return {"theta": self.theta, "buffers": self.buffers, "counters": self.counters}


@dataclass(frozen=True)
class Entry:
    """One tensor of the model: its vector, its name, its shape and where it starts in the vector."""

    kind: str
    name: str
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class Layout:
    """Table of all entries; equal layouts can exchange vectors."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, model: nn.Module) -> "Layout":
        """Table of a model: trainable parameters, float buffers, integer buffers."""
        sizes = {"theta": 0, "buffers": 0, "counters": 0}
        entries = []
        for kind, name, tensor in _tensors(model):
            entries.append(Entry(kind, name, tuple(tensor.shape), sizes[kind]))
            sizes[kind] += tensor.numel()
        if not sizes["theta"]:
            raise FedgroupError(f"{type(model).__name__} has no trainable parameters")
        return cls(tuple(entries))

    def length(self, kind: str) -> int:
        """Values in the vector `kind` (theta, buffers or counters)."""
        return sum(entry.size for entry in self.entries if entry.kind == kind)

    def hash(self) -> str:
        """12 hex digits naming the table; stored with every checkpoint."""
        rows = [[e.kind, e.name, list(e.shape), e.offset] for e in self.entries]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]

    def slice(self, kind: str, suffix: str) -> NDArray[np.bool_]:
        """Mask over the vector `kind` of entries whose name ends in `suffix`."""
        mask = np.zeros(self.length(kind), np.bool_)
        for entry in self.entries:
            if entry.kind == kind and entry.name.endswith(suffix):
                mask[entry.offset : entry.offset + entry.size] = True
        return mask


def _tensors(model: nn.Module) -> list[tuple[str, str, torch.Tensor]]:
    rows: list[tuple[str, str, torch.Tensor]] = []
    rows += [("theta", name, p) for name, p in model.named_parameters() if p.requires_grad]
    for name, tensor in model.named_buffers():
        rows.append(("buffers" if tensor.is_floating_point() else "counters", name, tensor))
    return rows


def read(model: nn.Module) -> Weights:
    """Copy a model's tensors into fresh flat vectors."""
    parts: dict[str, list[torch.Tensor]] = {"theta": [], "buffers": [], "counters": []}
    with torch.no_grad():
        for kind, _, tensor in _tensors(model):
            parts[kind].append(tensor.detach().reshape(-1))

        def vector(kind: str, dtype: torch.dtype) -> NDArray[Any]:
            if not parts[kind]:
                return np.empty(0, np.float32 if dtype == torch.float32 else np.int64)
            return torch.cat([part.to(dtype) for part in parts[kind]]).cpu().numpy()

        return Weights(
            vector("theta", torch.float32), vector("buffers", torch.float32), vector("counters", torch.int64)
        )


def write(model: nn.Module, weights: Weights) -> None:
    """Copy flat vectors into a model's tensors; refuses vectors of another length."""
    offsets = {"theta": 0, "buffers": 0, "counters": 0}
    arrays = weights.arrays()
    with torch.no_grad():
        for kind, name, tensor in _tensors(model):
            start, size = offsets[kind], tensor.numel()
            if start + size > len(arrays[kind]):
                raise FedgroupError(f"{kind} has {len(arrays[kind])} values, too few to fill '{name}'")
            part = np.ascontiguousarray(arrays[kind][start : start + size])
            tensor.copy_(_tensor(part).reshape(tensor.shape))
            offsets[kind] = start + size
    for kind, used in offsets.items():
        if used != len(arrays[kind]):
            raise FedgroupError(f"{kind} has {len(arrays[kind])} values, this model takes {used}")


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(array if array.flags.writeable else array.copy())
