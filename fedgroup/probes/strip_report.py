"""What STRIP reports: entropies by tier, and a detector at several false rejection rates."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FALSE_REJECTION_RATES = (0.005, 0.01, 0.02, 0.05)
"""Shares of clean samples that the detector may reject."""


@dataclass(frozen=True)
class Entropy:
    """Entropies of one tier, in bits."""

    count: int
    """Samples of the tier."""
    mean: float | None
    """Mean entropy; None where the tier is empty."""
    std: float | None
    """Standard deviation, ddof = 1; None below two samples."""
    histogram: tuple[int, ...]
    """Samples per bin of the report's edges."""


@dataclass(frozen=True)
class Detector:
    """Rejects a sample whose entropy is below the threshold."""

    false_rejection_rate: float
    """The share of clean samples allowed below the threshold, in [0, 1]."""
    threshold: float
    """In bits: the clean entropy with exactly that share, rounded down, of the others below it."""
    rejected: float
    """Share of clean samples really below it."""
    false_acceptance_rate: float | None
    """Share of poisons at or above it; None without poisons."""


@dataclass(frozen=True)
class StripReport:
    """What Strip measured; plain values, ready for JSON."""

    tiers: Mapping[str, Entropy]
    """By tier, poisons apart as "poisons" (table 11)."""
    detectors: tuple[Detector, ...]
    """One for each of FALSE_REJECTION_RATES; none without clean samples."""
    auc: float | None
    """P(clean entropy > poison's) + half the ties; 1 is perfect detection, None without poisons."""
    edges: tuple[float, ...]
    """Edges in bits of the equal bins of all histograms, from 0 to log2(classes)."""


def tier_entropy(entropy: Floats, edges: Floats) -> Entropy:
    """Return the statistics of one tier, from its entropies (n,) and the edges of the bins."""
    # float32 may exceed log2(classes) by its rounding
    counts, _ = np.histogram(entropy.clip(edges[0], edges[-1]), edges)
    return Entropy(
        count=len(entropy),
        mean=float(entropy.mean()) if len(entropy) else None,
        std=float(entropy.std(ddof=1)) if len(entropy) > 1 else None,
        histogram=tuple(counts.tolist()),
    )


def detector(rate: float, clean: Floats, poisons: Floats) -> Detector:
    """Return the detector that rejects at most a share of the clean samples.

    Args:
        rate: The share, in [0, 1].
        clean: Entropies of clean samples, at least one.
        poisons: Entropies of poisons.

    Returns:
        The detector, with what it would do.
    """
    allowed = math.floor(rate * len(clean) + 1e-9)
    threshold = float(np.partition(clean, allowed)[allowed])
    return Detector(
        false_rejection_rate=rate,
        threshold=threshold,
        rejected=float((clean < threshold).mean()),
        false_acceptance_rate=float((poisons >= threshold).mean()) if len(poisons) else None,
    )
