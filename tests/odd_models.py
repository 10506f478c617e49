"""Models whose state is not only float32 vectors, and models that draw at random, for every runtime."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

INF = float("inf")


class OddNet(nn.Module):
    """Every kind of tensor that a model may hold."""

    mask: torch.Tensor
    chosen: torch.Tensor
    calls: torch.Tensor
    octets: torch.Tensor
    halves: torch.Tensor
    phase: torch.Tensor
    wide: torch.Tensor
    drawn: torch.Tensor
    nothing: torch.Tensor

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 3, 2, 1).requires_grad_(False)  # frozen, drawn here
        self.bn = nn.BatchNorm2d(4)
        self.mixer = nn.Linear(4, 4).to(torch.bfloat16)  # mixed dtypes
        self.fc = nn.Linear(4, classes)
        self.tied = self.fc  # one module under two names
        self.scale = nn.Parameter(torch.tensor(1.0))  # a scalar
        self.empty = nn.Parameter(torch.zeros(0, 3))
        self.unused = nn.Parameter(torch.ones(3))  # without gradient
        self.register_buffer("mask", torch.tensor([0.0, -INF, 0.0, 0.0]))
        self.register_buffer("chosen", torch.tensor([True, False]))
        self.register_buffer("calls", torch.tensor(0, dtype=torch.int32))
        self.register_buffer("octets", torch.tensor([0, 255], dtype=torch.uint8))
        self.register_buffer("halves", torch.tensor([0.1, INF], dtype=torch.float16))
        self.register_buffer("phase", torch.tensor([1 + 2j]))
        self.register_buffer("wide", torch.tensor([0.5], dtype=torch.float64))
        self.register_buffer("drawn", torch.randn(2), persistent=False)
        self.register_buffer("nothing", torch.zeros(0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.calls += 1
        y = torch.relu(self.bn(self.backbone(x))).mean((2, 3))
        y = y + self.mixer(y.to(torch.bfloat16)).float() * self.drawn.sum()
        y = y * torch.softmax(self.mask, 0) * self.scale
        out: torch.Tensor = self.tied(y)
        return out


@dataclass(frozen=True)
class OddModel:
    """The network as a newcomer writes it: nobody seeds what is drawn."""

    def build(self, classes: int, seed: int) -> nn.Module:
        return OddNet(classes)


class DrawingNet(nn.Module):
    """Draws from torch's, numpy's and Python's global streams in every batch."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.drop(torch.relu(self.conv(x)).mean((2, 3)))
        if self.training:
            y = y * (1 + 0.1 * random.random()) + 0.1 * float(np.random.normal())  # noqa: NPY002
        out: torch.Tensor = self.fc(y)
        return out


@dataclass(frozen=True)
class DrawingModel:
    """Dropout and the two other global streams."""

    def build(self, classes: int, seed: int) -> nn.Module:
        return DrawingNet(classes)


class CountingNet(DrawingNet):
    """Counts its calls in a plain attribute, and learns by them: a client must not meet another's."""

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.count = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.count += self.training
        out: torch.Tensor = super().forward(x) * (1 + self.count)
        return out


@dataclass(frozen=True)
class CountingModel:
    """Keeps a number outside its vectors."""

    def build(self, classes: int, seed: int) -> nn.Module:
        return CountingNet(classes)


class TeacherNet(OddNet):
    """Moves a frozen parameter while it trains, as a mean teacher does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.backbone.weight.data.mul_(0.9)
        return super().forward(x)


@dataclass(frozen=True)
class TeacherModel:
    """Changes what does not travel."""

    def build(self, classes: int, seed: int) -> nn.Module:
        return TeacherNet(classes)


@dataclass(frozen=True)
class UnluckyModel:
    """Frozen weights that no seed repeats: other ones in every process."""

    def build(self, classes: int, seed: int) -> nn.Module:
        net = OddNet(classes)
        draw: Any = torch.Generator()
        draw.seed()
        with torch.no_grad():
            net.backbone.bias.copy_(torch.randn(4, generator=draw))  # type: ignore[union-attr]
        return net


class NoisyNet(DrawingNet):
    """Dropout in evaluation too: the usual slip."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.fc(F.dropout(torch.relu(self.conv(x)).mean((2, 3)), 0.5))
        return out


@dataclass(frozen=True)
class NoisyModel:
    """Draws in evaluation."""

    def build(self, classes: int, seed: int) -> nn.Module:
        return NoisyNet(classes)


MODELS = ("OddModel", "DrawingModel", "CountingModel", "NoisyModel")
