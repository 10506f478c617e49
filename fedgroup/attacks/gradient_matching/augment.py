"""Random shift and flip that gradients pass through.

Geiping et al., ICLR 2021, and their code (github.com/JonasGeiping/poisoning-gradient-matching).
"""

import torch
from torch import Tensor

DRAWS = 4
"""Uniform numbers per image: shift in x, shift in y, flip, and one that is not used."""


def largest_shift(side: int) -> int:
    """Return the official presets' shift for an image side: 8 at 32, 16 at 64, 56 at 224 pixels.

    An image moves by at most half of it.
    """
    return side // 4


def shift_and_flip(images: Tensor, draws: Tensor, shift: int | None = None) -> Tensor:
    """Shift every image by up to +-shift/2 pixels in x and y and mirror half of them.

    Images are read bilinearly, with zeros beyond the edges: the mean colour of normalised images.

    Args:
        images: (B, C, H, W), normalised.
        draws: (B, 4), uniform in [0, 1).
        shift: In pixels; None is a quarter of each side.

    Returns:
        (B, C, H, W), channels-last.
    """
    height, width = images.shape[-2:]
    draws = draws.to(images)
    along_y = _samples(height, draws[:, 1], largest_shift(height) if shift is None else shift)
    along_x = _samples(width, draws[:, 0], largest_shift(width) if shift is None else shift)
    along_x = torch.where(draws[:, 2:3] > 0.5, width - 1 - along_x, along_x)
    moved = _weights(along_y)[:, None] @ images @ _weights(along_x)[:, None].transpose(-1, -2)
    return moved.contiguous(memory_format=torch.channels_last)


def _samples(side: int, draw: Tensor, shift: int) -> Tensor:
    """Return where each output pixel is read along one axis, (B, side), in pixels."""
    return torch.arange(side, dtype=draw.dtype, device=draw.device) + (draw[:, None] - 0.5) * shift


def _weights(samples: Tensor) -> Tensor:
    """Return the bilinear weights (B, side out, side in) of reading at `samples` (B, side)."""
    pixels = torch.arange(samples.shape[1], dtype=samples.dtype, device=samples.device)
    return torch.relu(1 - (samples[:, :, None] - pixels).abs())
