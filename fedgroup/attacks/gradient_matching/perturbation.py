"""What may be added to an image: bounded per pixel, and the result is still an image of bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Box:
    """Where delta may lie, in normalised units: |delta_c| <= eps_c, and the image in [0, 1]."""

    eps: Tensor
    """(C, 1, 1): eps / 255 / std_c."""
    low: Tensor
    """(P, C, H, W), at most 0."""
    high: Tensor
    """(P, C, H, W), at least 0."""

    @classmethod
    def around(cls, x: Tensor, eps: float, mean: Sequence[float], std: Sequence[float]) -> "Box":
        """Return the box around images.

        Args:
            x: The images, normalised, (P, C, H, W).
            eps: Largest change of a pixel, of 255.
            mean: Channel means in [0, 1] of the normalisation.
            std: Channel standard deviations in [0, 1] of the normalisation.

        Returns:
            The box in normalised units.
        """
        centre = x.new_tensor(mean).reshape(-1, 1, 1)
        scale = x.new_tensor(std).reshape(-1, 1, 1)
        bound = eps / 255 / scale
        low = torch.maximum(-bound, -centre / scale - x)
        return cls(bound, low, torch.minimum(bound, (1 - centre) / scale - x))

    def start(self, noise: Tensor) -> Tensor:
        """Return the first delta from standard normal noise: noise * eps_c, clipped to +-eps_c."""
        return torch.clamp(noise * self.eps, -self.eps, self.eps)


def to_bytes(pixels: Tensor, base: Tensor, eps: float) -> Tensor:
    """Round images to bytes that are at most floor(eps) away from the clean ones.

    Args:
        pixels: The images, in [0, 1], (P, H, W, C).
        base: The clean images, (P, H, W, C) uint8.
        eps: Largest change of a pixel, of 255.

    Returns:
        (P, H, W, C) uint8.
    """
    most = int(eps)
    origin = base.to(torch.int16)
    rounded = torch.floor(pixels * 255 + 0.5).to(torch.int16)
    return torch.clamp(rounded, origin - most, origin + most).clamp_(0, 255).to(torch.uint8)
