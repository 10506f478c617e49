"""STRIP: whether a model stays sure of a sample when other images are laid over it.

Gao et al., ACSAC 2019: a trigger outvotes whatever it is blended with, so a backdoored sample should keep a
low entropy. The paper's table 11 finds the entropies of poisons and of all groups alike.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fedgroup.dataset import Bools, GroupedDataset, Ints, normaliser
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import cells
from fedgroup.probes.separability import auc

Floats = NDArray[np.float64]

FALSE_REJECTION_RATES = (0.005, 0.01, 0.02, 0.05)
"""Shares of clean samples that the detector may reject."""


@dataclass(frozen=True)
class Entropy:
    """Entropies of one tier, in bits."""

    count: int
    mean: float | None
    """None where the tier is empty."""
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
    """In bits: the clean entropy with exactly that share, rounded down, of the others before it."""
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
    auc: float | None
    """P(clean entropy > poison's) + half the ties; 1 is perfect detection, None without poisons."""
    edges: tuple[float, ...]
    """Edges in bits of the equal bins of all histograms, from 0 to log2(classes)."""


@dataclass(frozen=True)
class Strip:
    """Entropy of the softmax under overlays of clean held-out images."""

    overlays: int = 100
    """Overlays per sample."""
    blend: Literal["convex", "saturate"] = "convex"
    """convex: (1 - weight) * image + weight * overlay; saturate: image + overlay, cut at white."""
    weight: float = 0.5
    """Share of the overlay in the convex blend."""
    bins: int = 50
    """Bins of the histograms."""
    batch_size: int = 256
    """Blended images per forward pass."""

    def __post_init__(self) -> None:
        for name in ("overlays", "bins", "batch_size"):
            if getattr(self, name) < 1:
                raise FedgroupError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.blend not in ("convex", "saturate"):
            raise FedgroupError(f"blend must be convex or saturate, got '{self.blend}'")
        if not 0 <= self.weight <= 1:
            raise FedgroupError(f"weight must lie in [0, 1], got {self.weight}")

    def measure(
        self,
        model: nn.Module,
        views: Sequence[GroupedDataset],
        held_out: GroupedDataset,
        generator: np.random.Generator,
        device: torch.device | str = "cpu",
    ) -> StripReport:
        """Measure the samples of all `views` (say, clean and triggered test set) as one set.

        Overlays are drawn from `held_out`, with replacement, anew for every sample. Raises FedgroupError
        on empty or poisoned held-out data, unequal image sizes and non-finite outputs.
        """
        if not sum(len(view) for view in views):
            raise FedgroupError(
                "STRIP has no samples to measure: give at least one view that holds some"
            )
        entropy = np.concatenate(
            [self.entropies(model, view, held_out, generator, device) for view in views]
        )
        info = views[0].info
        group = np.concatenate([view.group for view in views])
        poison = np.concatenate([view.poison for view in views])
        return self.report(entropy, group, poison, info.tiers, len(info.classes))

    @torch.inference_mode()
    def entropies(
        self,
        model: nn.Module,
        data: GroupedDataset,
        held_out: GroupedDataset,
        generator: np.random.Generator,
        device: torch.device | str = "cpu",
    ) -> Floats:
        """Mean entropy in bits of every sample over its overlays, (N,); `model` returns logits (B, C)."""
        _check(data, held_out)
        model.eval()
        device = torch.device(device)
        drawn = generator.integers(0, len(held_out), (len(data), self.overlays)).ravel()
        scale, shift = normaliser(data.info, device)
        parts = []
        for start in range(0, len(drawn), self.batch_size):
            laid = drawn[start : start + self.batch_size]
            sample = np.arange(start, start + len(laid)) // self.overlays
            images = data.pixels(np.arange(sample[0], sample[-1] + 1)).to(device)
            under = images[torch.from_numpy(sample - sample[0]).to(device)]
            mixed = self._blend(under, held_out.pixels(laid).to(device))
            logits = model(mixed.mul_(scale).sub_(shift).permute(0, 3, 1, 2))
            parts.append(entropy_bits(logits).cpu())
        if not parts:
            return np.empty(0)
        found = torch.cat(parts).numpy().astype(np.float64).reshape(len(data), self.overlays)
        if not np.isfinite(found).all():
            raise FedgroupError(
                "the model's outputs are not finite: STRIP needs a model that has not diverged"
            )
        mean: Floats = found.mean(1)
        return mean

    def report(
        self,
        entropy: Floats,
        group: Ints,
        poison: Bools,
        tiers: Mapping[str, Sequence[int]],
        classes: int,
    ) -> StripReport:
        """Statistics by tier and the detector, from entropies in bits; the first three are (N,)."""
        edges = np.linspace(0.0, math.log2(classes), self.bins + 1)
        clean, poisons = entropy[~poison], entropy[poison]
        masks = cells(group, poison, tiers)
        return StripReport(
            tiers={name: _summary(entropy[mask], edges) for name, mask in masks.items()},
            detectors=tuple(_detector(rate, clean, poisons) for rate in FALSE_REJECTION_RATES)
            if len(clean)
            else (),
            auc=auc(clean, poisons) if len(clean) and len(poisons) else None,
            edges=tuple(edges.tolist()),
        )

    def _blend(self, images: Tensor, overlays: Tensor) -> Tensor:
        """Blend uint8 images (B, H, W, 3) into float32 pixels from 0 to 255."""
        if self.blend == "saturate":
            return images.float().add_(overlays).clamp_(max=255.0)
        return images.float().mul_(1.0 - self.weight).add_(overlays.float(), alpha=self.weight)


def entropy_bits(logits: Tensor) -> Tensor:
    """Entropy of the softmax of logits (B, C), in bits, (B,) float32: -sum_c p_c log2 p_c."""
    logs = logits.float().log_softmax(1)
    return -(logs.exp() * logs).sum(1) / math.log(2.0)


def _check(data: GroupedDataset, held_out: GroupedDataset) -> None:
    if not len(held_out):
        raise FedgroupError("STRIP needs held-out images to lay over the samples, got none")
    if held_out.poison.any():
        raise FedgroupError(
            f"STRIP's overlays must be clean: {int(held_out.poison.sum())} of {len(held_out)} held-out "
            f"images are poisoned"
        )
    if data.size != held_out.size:
        raise FedgroupError(
            f"images of {data.size} pixels cannot be blended with held-out ones of {held_out.size}"
        )


def _summary(entropy: Floats, edges: Floats) -> Entropy:
    # float32 may exceed log2(classes) by its rounding
    counts, _ = np.histogram(entropy.clip(edges[0], edges[-1]), edges)
    return Entropy(
        count=len(entropy),
        mean=float(entropy.mean()) if len(entropy) else None,
        std=float(entropy.std(ddof=1)) if len(entropy) > 1 else None,
        histogram=tuple(counts.tolist()),
    )


def _detector(rate: float, clean: Floats, poisons: Floats) -> Detector:
    allowed = math.floor(rate * len(clean) + 1e-9)
    threshold = float(np.partition(clean, allowed)[allowed])
    return Detector(
        false_rejection_rate=rate,
        threshold=threshold,
        rejected=float((clean < threshold).mean()),
        false_acceptance_rate=float((poisons >= threshold).mean()) if len(poisons) else None,
    )
