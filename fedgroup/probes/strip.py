"""STRIP: whether a model stays sure of a sample when other images are laid over it.

A trigger outvotes whatever it is blended with, so a backdoored sample should keep a low entropy
(Gao et al., STRIP, ACSAC 2019). The paper reproduced here finds the entropies of poisons and of all
groups alike (table 11).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fedgroup.dataset import Bools, GroupedDataset, Ints, normaliser
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import tier_masks
from fedgroup.probes.strip_report import (
    FALSE_REJECTION_RATES,
    StripReport,
    detector,
    tier_entropy,
)
from fedgroup.probes.two_samples import auc

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Strip:
    """STRIP's entropy of a sample x (Gao et al., ACSAC 2019).

    H(x) = 1/n * sum_j -sum_c p_c log2 p_c with p = softmax(f(x blended with h_j)), over n clean
    held-out images h_j.
    """

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
        views: Iterable[GroupedDataset],
        held_out: GroupedDataset,
        generator: np.random.Generator,
        device: torch.device | str = "cpu",
    ) -> StripReport:
        """Measure the samples of several views (say, clean and triggered test set) as one set.

        Args:
            model: Network on `device`; left in evaluation mode.
            views: Samples to measure, poisons marked; taken one view at a time.
            held_out: Clean images to lay over the samples, of the same data set.
            generator: Draws the overlays with replacement, anew for every sample.
            device: Where the network computes.

        Returns:
            The report on all samples.

        Raises:
            FedgroupError: on no samples, empty or poisoned held-out data, unequal image sizes and
                non-finite outputs.
        """
        entropy, group, poison = [], [], []
        for view in views:
            entropy.append(self.entropies(model, view, held_out, generator, device))
            group.append(view.group)
            poison.append(view.poison)
        if not sum(map(len, entropy)):
            raise FedgroupError(
                "STRIP has no samples to measure: give at least one view that holds some"
            )
        info = held_out.info
        return self.report(
            np.concatenate(entropy),
            np.concatenate(group),
            np.concatenate(poison),
            info.tiers,
            len(info.classes),
        )

    @torch.inference_mode()
    def entropies(
        self,
        model: nn.Module,
        data: GroupedDataset,
        held_out: GroupedDataset,
        generator: np.random.Generator,
        device: torch.device | str = "cpu",
    ) -> Floats:
        """Return the mean entropy of every sample over its overlays.

        Args:
            model: Network with logits (B, C), on `device`; left in evaluation mode.
            data: N samples.
            held_out: Clean images to lay over them.
            generator: Draws the overlays with replacement, anew for every sample.
            device: Where the network computes.

        Returns:
            Entropies in bits, (N,).

        Raises:
            FedgroupError: where an output is not finite, or the held-out images do not fit.
        """
        _check(data, held_out)
        model.eval()
        device = torch.device(device)
        drawn = generator.integers(0, len(held_out), (len(data), self.overlays)).ravel()
        scale, shift = normaliser(data.info, device)
        parts = []
        for start in range(0, len(drawn), self.batch_size):
            over = drawn[start : start + self.batch_size]
            sample = np.arange(start, start + len(over)) // self.overlays
            images = data.pixels(np.arange(sample[0], sample[-1] + 1)).to(device)
            under = images[torch.from_numpy(sample - sample[0]).to(device)]
            mixed = self._blend(under, held_out.pixels(over).to(device))
            logits = model(mixed.mul_(scale).sub_(shift).permute(0, 3, 1, 2))
            parts.append(entropy_bits(logits).cpu())
        if not parts:
            return np.empty(0)
        bits = torch.cat(parts).numpy().astype(np.float64).reshape(len(data), self.overlays)
        if not np.isfinite(bits).all():
            raise FedgroupError(
                "the model's outputs are not finite: STRIP needs a model that has not diverged"
            )
        mean: Floats = bits.mean(1)
        return mean

    def report(
        self,
        entropy: Floats,
        group: Ints,
        poison: Bools,
        tiers: Mapping[str, Sequence[int]],
        classes: int,
    ) -> StripReport:
        """Return the statistics by tier and what a detector would do.

        Args:
            entropy: Entropies in bits, (N,).
            group: Group of each sample, (N,).
            poison: Which samples are poisons, (N,).
            tiers: Groups of each tier, by its name.
            classes: Number of classes, which bounds the entropy.

        Returns:
            The report.
        """
        edges = np.linspace(0.0, math.log2(classes), self.bins + 1)
        clean, poisons = entropy[~poison], entropy[poison]
        masks = tier_masks(group, poison, tiers)
        return StripReport(
            tiers={name: tier_entropy(entropy[mask], edges) for name, mask in masks.items()},
            detectors=tuple(detector(rate, clean, poisons) for rate in FALSE_REJECTION_RATES)
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
    """Return the entropy of the softmax of logits (B, C), (B,) float32, in bits."""
    logs = logits.float().log_softmax(1)
    return -(logs.exp() * logs).sum(1) / math.log(2.0)


def _check(data: GroupedDataset, held_out: GroupedDataset) -> None:
    """Refuse held-out images that cannot be laid over the samples."""
    if not len(held_out):
        raise FedgroupError("STRIP needs held-out images to lay over the samples, got none")
    if held_out.poison.any():
        raise FedgroupError(
            f"STRIP's overlays must be clean: {int(held_out.poison.sum())} of {len(held_out)} "
            f"held-out images are poisoned"
        )
    if data.size != held_out.size:
        raise FedgroupError(
            f"images of {data.size} pixels cannot be blended with held-out ones of {held_out.size}"
        )
