"""Fixed-point similarities: why facility location has one set of bits here.

Greedy selection compares sums of thousands of similarities, and float sums depend on their order.
So every similarity is rounded once to a whole number of at most `bits` bits, chosen so that a sum
of n of them stays below 2**53: all sums are exact in float64, whatever the order, the block size or
the device. Rounding moves a similarity by at most 2**-(bits + 1) of the largest (2**-40 for 4,096
samples), far below float32's own 2**-24.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
SimilarityName = Literal["max_minus_distance", "exp_minus_gamma_distance", "inverse"]
SIMILARITIES: tuple[str, ...] = get_args(SimilarityName)


def bits(count: int) -> int:
    """Return the bits per similarity with which `count` of them add up exactly in float64."""
    return 52 - (count - 1).bit_length()


def exponent(extent: float) -> int:
    """Return the smallest e with extent < 2**e; 0 for an extent of 0."""
    return int(np.frexp(extent)[1])


def whole(values: Floats, low: Floats | np.float64, power: int) -> Floats:
    """Return `values` - `low` in whole steps of 2**-power.

    Args:
        values: Coordinates, (n,) or (n, C).
        low: Origin, a scalar or (C,).
        power: Binary digits kept after the point.

    Returns:
        Whole numbers in float64, in the shape of `values`; exact where both are multiples of the
        step.
    """
    steps: Floats = np.rint(np.ldexp(values, power)) - np.rint(np.ldexp(low, power))
    return steps


@dataclass(frozen=True)
class Similarity:
    """Similarity of two samples as a whole number in float64, decreasing in their distance.

    The three formulas, with d the Euclidean distance and M any bound on it (the choice of medoids
    does not depend on M: it enters the first gains as one constant, and later gains are
    differences): max_minus_distance M - d (Yang et al., EPIC, ICML 2022), exp_minus_gamma_distance
    exp(-gamma * d), inverse 1 / (1 + d).
    """

    name: SimilarityName
    """Which formula."""
    gamma: float
    """Rate of exp_minus_gamma_distance."""
    bits: int
    """The largest similarity is 2**bits."""
    unit: float
    """Length of one coordinate step, in the gradients' own unit."""
    step: float
    """Similarity steps per coordinate step (max_minus_distance)."""

    @property
    def top(self) -> float:
        """The largest similarity, that of a sample to itself."""
        return float(2**self.bits)

    def __call__(self, distance: Tensor) -> Tensor:
        """Turn distances in coordinate steps (float64, any shape) into similarities, in place."""
        if self.name == "max_minus_distance":
            return distance.mul_(self.step).round_().neg_().add_(self.top)
        if self.name == "exp_minus_gamma_distance":
            return distance.mul_(-self.gamma * self.unit).exp_().mul_(self.top).round_()
        return distance.mul_(self.unit).add_(1.0).reciprocal_().mul_(self.top).round_()
