"""The network, images and numbers of the official loss class, executed in float64 (attacks_cases.json)."""

import json
import math
from typing import Any

import torch
from torch import Tensor, nn

from fedgroup.attacks.gradient_matching.matching import Matcher
from fedgroup.attacks.gradient_matching.perturbation import Box
from tests.paths import CASES

OFFICIAL: dict[str, Any] = json.loads((CASES / "attacks_cases.json").read_text())
GM = OFFICIAL["gm"]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LABELS = torch.ones(3, dtype=torch.int64)


def wave(shape: tuple[int, ...], a: float, b: float, scale: float) -> Tensor:
    """The case file's filling: scale * sin(a k + b), k the flat C-order index."""
    return scale * torch.sin(a * torch.arange(math.prod(shape), dtype=torch.float64) + b).reshape(
        shape
    )


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 1, 1)
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.tanh(self.conv(x)).mean((2, 3)))


def network() -> Net:
    net = Net().double()
    with torch.no_grad():
        for i, parameter in enumerate(net.parameters()):
            parameter.copy_(wave(tuple(parameter.shape), 0.7, 0.1 + 0.3 * i, 0.4))
    return net


def column(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(-1, 1, 1)


def normalised(raw: Tensor) -> Tensor:
    return (raw - column(MEAN)) / column(STD)


RAW = (wave((3, 3, 6, 6), 0.37, 0.2, 0.55) + 0.5).clamp(0, 1)
X = normalised(RAW)
TARGETS = normalised((wave((2, 3, 6, 6), 0.53, 1.1, 0.55) + 0.5).clamp(0, 1))


def first_delta() -> Tensor:
    return Box.around(X, 16.0, MEAN, STD).start(wave((3, 3, 6, 6), 0.91, 0.4, 1))


def matcher(loss: Any = "similarity", chunk: int = 512) -> Matcher:
    return Matcher.towards(
        network(), TARGETS, torch.ones(2, dtype=torch.int64), loss=loss, chunk=chunk
    )


def gradient(match: Matcher, delta: Tensor, batch: slice = slice(0, 3)) -> tuple[Tensor, Tensor]:
    return match.gradient(delta, LABELS, lambda part_delta, part: X[part] + part_delta, batch)
