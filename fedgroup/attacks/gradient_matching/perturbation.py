"""What may be added to an image: bounded per pixel, and the result is still an image of bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Box:
    """Where delta may lie, in normalised units: |delta_c| <= eps_c and the image stays in [0, 1]."""

    eps: Tensor
    """(C, 1, 1): eps / 255 / std_c."""
    low: Tensor
    high: Tensor
    """(P, C, H, W), low <= 0 <= high."""

    @classmethod
    def around(cls, x: Tensor, eps: float, mean: Sequence[float], std: Sequence[float]) -> "Box":
        """Box around normalised images x (P, C, H, W) for a largest change of `eps` of 255."""
        centre = x.new_tensor(mean).reshape(-1, 1, 1)
        scale = x.new_tensor(std).reshape(-1, 1, 1)
        bound = eps / 255 / scale
        low = torch.maximum(-bound, -centre / scale - x)
        return cls(bound, low, torch.minimum(bound, (1 - centre) / scale - x))

    def start(self, noise: Tensor) -> Tensor:
        """First delta from standard normal `noise`: noise * eps_c, clipped to +-eps_c (about a third is)."""
        return torch.clamp(noise * self.eps, -self.eps, self.eps)


def to_bytes(pixels: Tensor, base: Tensor, eps: float) -> Tensor:
    """Round pixels (P, H, W, C) in [0, 1] to uint8, at most floor(eps) away from the uint8 `base`."""
    most = int(eps)
    origin = base.to(torch.int16)
    rounded = torch.floor(pixels * 255 + 0.5).to(torch.int16)
    return torch.clamp(rounded, origin - most, origin + most).clamp_(0, 255).to(torch.uint8)
