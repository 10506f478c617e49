"""Bird shapes: six latents say how a bird is built, everything else about it is drawn at random.

Land and water birds differ in the distribution of the latents only (long necks and bills, flat
bodies, short tails and legs on the water); colour, size, place, direction and pose say nothing
about the class.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fedgroup.data.drawn_scenes import (
    backgrounds,
    blend,
    chance,
    colour,
    finish,
    per_image,
    uniform,
)

SEPARATION = 1.3
"""How far apart the two classes' latents are, in units of the table below."""
NOISE = 0.04
"""Standard deviation of the pixel noise, in [0, 1]."""
SIZES = (0.5, 0.7)
"""Range of the bird's scale."""
CANVAS = 64
"""Pixels drawn in each direction; smaller pictures are averaged down from it."""


@dataclass(frozen=True)
class Latent:
    """Distribution of one latent."""

    middle: float
    """Mean over both classes."""
    shift: float
    """What SEPARATION times it is added for water birds and subtracted for land birds."""
    spread: float
    """Standard deviation within a class."""
    low: float
    """Values are clipped to be at least this."""
    high: float
    """Values are clipped to be at most this."""


LATENTS: dict[str, Latent] = {
    "neck": Latent(0.32, 0.17, 0.10, 0.02, 0.70),
    "bill": Latent(0.20, 0.07, 0.05, 0.05, 0.50),
    "aspect": Latent(1.75, 0.25, 0.20, 1.10, 2.60),
    "tail": Latent(0.32, -0.12, 0.08, 0.05, 0.70),
    "leg": Latent(0.22, -0.08, 0.08, 0.00, 0.50),
    "head": Latent(0.19, -0.025, 0.025, 0.10, 0.28),
}


def class_latents(generator: torch.Generator, y: Tensor) -> dict[str, Tensor]:
    """Draw the latents (n,) of land birds (y = 0) and water birds (y = 1) by name."""
    side = y.to(torch.float32) * 2 - 1
    return {
        name: (
            latent.middle
            + latent.shift * SEPARATION * side
            + latent.spread * torch.randn(len(y), generator=generator)
        ).clamp(latent.low, latent.high)
        for name, latent in LATENTS.items()
    }


def render(
    generator: torch.Generator, latents: Mapping[str, Tensor], water: Tensor, size: int
) -> Tensor:
    """Draw birds on scenes.

    Args:
        generator: Generator of all that the latents leave open.
        latents: Latents (n,) by name, those of LATENTS.
        water: Whether the scene is water, else land, (n,) bool.
        size: S, in pixels.

    Returns:
        (n, S, S, 3) uint8.
    """
    side = max(size, CANVAS)
    image = backgrounds(generator, water, side)
    image = _paint(generator, image, _parts(generator, latents, side))
    image = torch.nn.functional.avg_pool2d(image, side // size)
    return finish(generator, image, NOISE)


@dataclass(frozen=True)
class Canvas:
    """The bird's own frame: shapes are masks in [0, 1] over its coordinates."""

    x: Tensor
    """Coordinate of every pixel along the bird, (n, S, S)."""
    y: Tensor
    """Coordinate of every pixel across it, downwards, (n, S, S)."""
    sharpness: Tensor
    """Sharpness of edges, (n, 1, 1)."""

    def ellipse(self, x: Tensor, y: Tensor, width: Tensor, height: Tensor) -> Tensor:
        """Return the soft mask of an ellipse.

        Args:
            x: Its centre, (n, 1, 1).
            y: Its centre, (n, 1, 1).
            width: Its half axis along x, (n, 1, 1).
            height: Its half axis along y, (n, 1, 1).

        Returns:
            (n, S, S), in [0, 1].
        """
        radius = torch.sqrt(((self.x - x) / width) ** 2 + ((self.y - y) / height) ** 2 + 1e-9)
        return torch.sigmoid((1 - radius) * torch.minimum(width, height) * self.sharpness)

    def limb(
        self, start: tuple[Tensor, Tensor], end: tuple[Tensor, Tensor], radii: tuple[float, float]
    ) -> Tensor:
        """Return the soft mask of a tapering stroke.

        Args:
            start: x and y of its start, (n, 1, 1) each.
            end: x and y of its end, (n, 1, 1) each.
            radii: Half its width at the start and at the end.

        Returns:
            (n, S, S), in [0, 1].
        """
        (x0, y0), (x1, y1) = start, end
        dx, dy = x1 - x0, y1 - y0
        length = (dx * dx + dy * dy).clamp(min=1e-6)
        along = (((self.x - x0) * dx + (self.y - y0) * dy) / length).clamp(0, 1)
        distance = torch.sqrt(
            (self.x - x0 - along * dx) ** 2 + (self.y - y0 - along * dy) ** 2 + 1e-9
        )
        radius = radii[0] + (radii[1] - radii[0]) * along
        return torch.sigmoid((radius - distance) * self.sharpness)


def _canvas(generator: torch.Generator, n: int, size: int) -> Canvas:
    """Place, scale, mirror and tilt the bird's frame at random."""
    line = torch.linspace(-1, 1, size)
    scale = per_image(uniform(generator, n, *SIZES))
    x = (line[None, None, :] - per_image(uniform(generator, n, -0.3, 0.3))) / scale
    y = (line[None, :, None] - per_image(uniform(generator, n, -0.2, 0.3))) / scale
    mirror = per_image(chance(generator, n, 0.5).to(torch.float32) * 2 - 1)
    tilt = per_image(uniform(generator, n, -0.3, 0.3))
    cos, sin = tilt.cos(), tilt.sin()
    return Canvas((cos * x + sin * y) * mirror, cos * y - sin * x, size * 0.75 * scale)


def _parts(
    generator: torch.Generator, latents: Mapping[str, Tensor], size: int
) -> dict[str, Tensor]:
    """Return the masks (n, S, S) of the bird's parts, in painting order."""
    n = len(latents["neck"])
    canvas = _canvas(generator, n, size)
    aspect, neck, head, bill, tail, leg = (
        per_image(latents[name]) for name in ("aspect", "neck", "head", "bill", "tail", "leg")
    )
    zero = torch.zeros_like(aspect)
    width, height = 0.589 * aspect.sqrt(), 0.62 / aspect.sqrt()
    lift = per_image(uniform(generator, n, 0.7, 1.3))
    root = (width * 0.7, -height * 0.35)
    crown = (root[0] + neck * lift.cos() + 0.08, root[1] - neck * lift.sin() - 0.1)
    dip = per_image(uniform(generator, n, -0.1, 0.35))
    mouth = (crown[0] + head * 0.8, crown[1])
    tip = (mouth[0] + 1.5 * bill * dip.cos(), mouth[1] + 1.5 * bill * dip.sin())
    cock = per_image(uniform(generator, n, -0.2, 0.5))
    rump = (-width * 0.85, zero)
    end = (rump[0] - 1.6 * tail * cock.cos(), -1.6 * tail * cock.sin())
    foot = height * 0.9 + 1.6 * leg
    legs = [
        canvas.limb((zero + hip, height * 0.8), (zero + toe, foot), (0.035, 0.03))
        for hip, toe in ((-0.05, -0.1), (0.15, 0.16))
    ]
    return {
        "legs": torch.maximum(*legs),
        "tail": canvas.limb(rump, end, (0.14, 0.09)),
        "neck": canvas.limb(root, crown, (0.17, 0.10)),
        "body": canvas.ellipse(zero, zero, width, height),
        "wing": canvas.ellipse(-width * 0.15, height * 0.05, width * 0.6, height * 0.5),
        "head": canvas.ellipse(*crown, head * 1.1, head),
        "bill": canvas.limb(mouth, tip, (0.07, 0.025)),
    }


def _paint(generator: torch.Generator, image: Tensor, parts: Mapping[str, Tensor]) -> Tensor:
    """Paint the parts; one palette for both classes: browns, greys, whites, blacks, some bright."""
    n = len(image)
    dull = chance(generator, n, 0.65)
    saturation = torch.where(dull, uniform(generator, n, 0, 0.25), uniform(generator, n, 0.3, 0.7))
    body = colour(uniform(generator, n, 0, 1), saturation, uniform(generator, n, 0.1, 0.95))

    def shade(low: float, high: float) -> Tensor:
        return (body * uniform(generator, n, low, high)[:, None]).clamp(0, 1)

    def horn(saturation: tuple[float, float], value: tuple[float, float]) -> Tensor:
        return colour(
            uniform(generator, n, 0.02, 0.15),
            uniform(generator, n, *saturation),
            uniform(generator, n, *value),
        )

    wing, head, tail = shade(0.55, 1.35), shade(0.6, 1.3), shade(0.6, 1.2)
    bill, legs = horn((0.3, 0.9), (0.3, 0.95)), horn((0.2, 0.8), (0.2, 0.7))
    paints = {
        "legs": legs,
        "tail": tail,
        "neck": head,
        "body": body,
        "wing": wing,
        "head": head,
        "bill": bill,
    }
    for name, mask in parts.items():
        image = blend(image, mask, paints[name])
    return image
