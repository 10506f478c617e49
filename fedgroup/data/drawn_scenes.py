"""Drawn backgrounds: land (greens and browns, tree trunks) or water (blues, ripples).

Images are float32 (n, 3, S, S) in [0, 1] until `finish` quantises them. Coordinates run from -1 to
1, x to the right and y downwards; lengths are in those units. n is the number of images of one
call, S their side in pixels.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def uniform(generator: torch.Generator, n: int, low: float, high: float) -> Tensor:
    """Draw values uniformly.

    Args:
        generator: Generator of the draw.
        n: Number of values.
        low: Lower limit, included.
        high: Upper limit, excluded.

    Returns:
        (n,) float32.
    """
    return torch.rand(n, generator=generator) * (high - low) + low


def chance(generator: torch.Generator, n: int, probability: float) -> Tensor:
    """Draw booleans.

    Args:
        generator: Generator of the draw.
        n: Number of booleans.
        probability: Probability of true.

    Returns:
        (n,) bool.
    """
    return torch.rand(n, generator=generator) < probability


def colour(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Convert HSV to RGB.

    Args:
        hue: (n,), in [0, 1]; it wraps.
        saturation: (n,), in [0, 1].
        value: (n,), in [0, 1].

    Returns:
        (n, 3), in [0, 1].
    """
    # channel k of HSV in closed form: v - v*s*max(0, min(f, 4 - f, 1)) with f = (k + 6h) mod 6
    offsets = torch.tensor([5.0, 3.0, 1.0])
    f = (offsets + 6 * hue[:, None]) % 6
    dip = torch.minimum(f, 4 - f).clamp(0, 1)
    return value[:, None] * (1 - saturation[:, None] * dip)


def coordinates(size: int) -> tuple[Tensor, Tensor]:
    """Return the coordinates x (1, 1, S) and y (1, S, 1)."""
    line = torch.linspace(-1, 1, size)
    return line[None, None, :], line[None, :, None]


def per_image(values: Tensor) -> Tensor:
    """Reshape (n,) to (n, 1, 1), to broadcast over pixels."""
    return values[:, None, None]


def blend(image: Tensor, mask: Tensor, paint: Tensor) -> Tensor:
    """Lay a colour over images where a mask says.

    Args:
        image: (n, 3, S, S).
        mask: (n, S, S), in [0, 1].
        paint: Colour of each image, (n, 3).

    Returns:
        (n, 3, S, S).
    """
    cover = mask[:, None]
    return image * (1 - cover) + paint[:, :, None, None] * cover


@contextmanager
def two_threads() -> Iterator[None]:
    """Hold torch at two threads: with one, MKL's inverse FFT rounds otherwise and pixels change."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def texture(generator: torch.Generator, n: int, size: int, stretch: tuple[float, float]) -> Tensor:
    """Draw correlated noise of unit variance.

    Args:
        generator: Generator of the draw.
        n: Number of images.
        size: S, in pixels.
        stretch: Factors on the x and y frequencies.

    Returns:
        (n, S, S) float32.
    """
    fy = torch.fft.fftfreq(size)[:, None] * size
    fx = torch.fft.rfftfreq(size)[None] * size
    radius = torch.sqrt((fx * stretch[0]) ** 2 + (fy * stretch[1]) ** 2)
    radius[0, 0] = math.inf  # no constant component
    white = torch.fft.rfft2(torch.randn(n, size, size, generator=generator))
    with two_threads():
        noise = torch.fft.irfft2(white * radius**-1.6, s=(size, size))
    scaled: Tensor = noise / (noise.std((1, 2), keepdim=True) + 1e-6)
    return scaled


def backgrounds(generator: torch.Generator, water: Tensor, size: int) -> Tensor:
    """Draw land and water scenes; 5 % are hazy, their colour says little.

    Args:
        generator: Generator of the draw.
        water: Whether the scene is water, else land, (n,) bool.
        size: S, in pixels.

    Returns:
        (n, 3, S, S), in [0, 1].
    """
    n = len(water)
    land_noise = texture(generator, n, size, (1.6, 0.7))
    water_noise = texture(generator, n, size, (0.45, 1.8))
    green = uniform(generator, n, 0.2, 0.38)
    brown = uniform(generator, n, 0.06, 0.16)
    blue = uniform(generator, n, 0.45, 0.66)
    hue = torch.where(water, blue, torch.where(chance(generator, n, 0.6), green, brown))
    saturation = uniform(generator, n, 0.25, 0.75)
    saturation = torch.where(chance(generator, n, 0.05), saturation * 0.15, saturation)
    value = uniform(generator, n, 0.35, 0.8)
    light = colour(hue, saturation, value)
    dark = colour(
        hue + uniform(generator, n, -0.05, 0.05),
        saturation * uniform(generator, n, 0.5, 1.0),
        value * uniform(generator, n, 0.45, 0.75),
    )
    mix = torch.sigmoid(1.6 * torch.where(per_image(water), water_noise, land_noise))[:, None]
    image = light[:, :, None, None] * mix + dark[:, :, None, None] * (1 - mix)
    for _ in range(3):
        image = _trunk(generator, image, water)
        image = _ripple(generator, image, water, light)
    _, y = coordinates(size)
    slope = per_image(uniform(generator, n, -0.15, 0.15))
    return (image + (slope * y)[:, None]).clamp(0, 1)


def _trunk(generator: torch.Generator, image: Tensor, water: Tensor) -> Tensor:
    """Draw a slanted brown band on 70 % of land scenes."""
    n = len(water)
    x, y = coordinates(image.shape[-1])
    centre = per_image(uniform(generator, n, -1, 1))
    width = per_image(uniform(generator, n, 0.03, 0.12))
    slant = per_image(uniform(generator, n, -0.2, 0.2))
    here = per_image(chance(generator, n, 0.7) & ~water)
    mask = torch.sigmoid((width - (x - centre - slant * y).abs()) * 40) * here
    bark = colour(
        uniform(generator, n, 0.05, 0.1),
        uniform(generator, n, 0.3, 0.6),
        uniform(generator, n, 0.15, 0.4),
    )
    return blend(image, mask, bark)


def _ripple(generator: torch.Generator, image: Tensor, water: Tensor, light: Tensor) -> Tensor:
    """Draw a thin bright wave across water scenes."""
    n = len(water)
    x, y = coordinates(image.shape[-1])
    height = per_image(uniform(generator, n, -1, 1))
    phase = per_image(uniform(generator, n, 0, 2 * math.pi))
    frequency = per_image(uniform(generator, n, 2, 6))
    wave = (y - height - 0.06 * torch.sin(x * frequency + phase)).abs()
    mask = torch.sigmoid((0.03 - wave) * 50) * per_image(water) * 0.6
    return blend(image, mask, (light * 1.25).clamp(max=1))


def finish(generator: torch.Generator, image: Tensor, noise: float) -> Tensor:
    """Vary contrast and brightness, add pixel noise, and quantise.

    Args:
        generator: Generator of the draw.
        image: (n, 3, S, S), in [0, 1].
        noise: Standard deviation of the pixel noise, in [0, 1].

    Returns:
        (n, S, S, 3) uint8.
    """
    n = len(image)
    contrast = uniform(generator, n, 0.8, 1.15)[:, None, None, None]
    brightness = uniform(generator, n, -0.08, 0.08)[:, None, None, None]
    image = (image - 0.5) * contrast + 0.5 + brightness
    image = image + noise * torch.randn(image.shape, generator=generator)
    return (image.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
