"""The box against the official projection; rounding to bytes."""

import math

import pytest
import torch

from fedgroup.attacks.gradient_matching.perturbation import Box, to_bytes
from tests.fedgroup.attacks.gradient_matching.official import (
    MEAN,
    OFFICIAL,
    STD,
    column,
    normalised,
)


def test_projection_onto_the_box() -> None:
    case = OFFICIAL["projection"]
    raw = torch.tensor(case["raw"], dtype=torch.float64).expand(3, -1).reshape(1, 3, 1, 5)
    box = Box.around(normalised(raw), 16.0, MEAN, STD)
    assert box.eps.flatten().tolist() == pytest.approx(case["eps_norm_units"], abs=1e-12)
    before = torch.tensor(case["delta_before_norm_units"], dtype=torch.float64).expand(1, 3, 1, 5)
    after = torch.clamp(before, box.low, box.high)
    pixels = (normalised(raw) + after) * column(STD) + column(MEAN)
    for channel, expected in enumerate(case["per_channel"]):
        assert after[0, channel, 0].tolist() == pytest.approx(expected["delta_norm"], abs=1e-12)
        assert pixels[0, channel, 0].tolist() == pytest.approx(expected["pixel"], abs=1e-12)


def test_rounding_is_clamped_to_the_bound() -> None:
    base = torch.tensor([0, 5, 100, 254, 255], dtype=torch.uint8).reshape(1, 1, 5, 1)
    pixels = torch.tensor([-0.1, 7.4 / 255, 101.6 / 255, 1.1, 253.4 / 255]).reshape(1, 1, 5, 1)
    assert to_bytes(pixels, base, 1.5).flatten().tolist() == [0, 6, 101, 255, 254]
    assert to_bytes(pixels, base, 0.0).flatten().tolist() == base.flatten().tolist()
    assert to_bytes(pixels, base, 255.0).flatten().tolist() == [0, 7, 102, 255, 253]


def test_the_start_is_clipped_noise() -> None:
    box = Box.around(torch.zeros(1, 3, 100, 100), 16.0, MEAN, STD)
    start = box.start(torch.randn(1, 3, 100, 100, generator=torch.Generator().manual_seed(0)))
    assert bool((start.abs() <= box.eps).all())
    share = (start.abs() == box.eps).float().mean().item()
    assert share == pytest.approx(
        math.erfc(1 / math.sqrt(2)), abs=0.01
    )  # 32 % of a normal lies beyond 1
