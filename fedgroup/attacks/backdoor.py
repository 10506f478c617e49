"""Dirty-label backdoor (DLBD): a white square makes the model answer with LRG-1's class."""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch

from fedgroup.attacks.attack import Insert, Predict, insert
from fedgroup.attacks.base_samples import (
    bad_class,
    draw,
    pool,
    source_class,
    source_groups,
)
from fedgroup.attacks.poison_count import check_fraction, poison_count
from fedgroup.dataset import GroupedDataset, Ints, Splits
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts

WHITE = 255
CHUNK = 512
"""Stamped test images held at a time; the counts do not depend on it."""


@dataclass(frozen=True)
class Backdoor:
    """Stamped copies of majority images under the label of LRG-1's class.

    Gu, Dolan-Gavitt & Garg, arXiv:1708.06733, 2017 (BadNets), as the paper runs it (section 2.2 and
    appendix A.1). With y_bad the class of LRG-1 and y_src the largest other class of HRG, n =
    floor(fraction * N) bases x are drawn from HRG's groups of class y_src, and a poison is (T(x),
    y_bad):

        T(x) = x with a white square of `side` pixels, `gap` pixels from the bottom and right border

        ASR = |{i in C : f(T(x_i)) = y_bad}| / |C|,  C the test images of y_src with f(x_i) = y_i

    Only y_src counts for success, because only its images carry the trigger in training. With two
    classes f(T(x_i)) = y_bad is the paper's "misclassified"; with more, a third class is a mistake
    of the model that the attacker gains nothing from (BadNets, section 4.2: the backdoor's target).
    """

    fraction: float = 0.01
    """Poisons as a share of the clean training samples, rounded down (paper: 1 %)."""
    insert: Insert = "append"
    """append keeps the base images with their true label; replace puts the poisons in their
    place."""
    side: int | None = None
    """Side of the square in pixels; by default 25 at 224 pixels, scaled to the image."""
    gap: int | None = None
    """Pixels between the square and both borders; by default 1 at 224 pixels, scaled."""

    paired: ClassVar[bool] = False
    reference: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_fraction(self.fraction)
        if self.side is not None and self.side < 1:
            raise FedgroupError(f"side of the trigger must be at least 1 pixel, got {self.side}")
        if self.gap is not None and self.gap < 0:
            raise FedgroupError(f"gap of the trigger must be at least 0 pixels, got {self.gap}")

    def bases(self, train: GroupedDataset, rng: np.random.Generator) -> Ints:
        """Draw the bases, uniformly over HRG's groups of class y_src."""
        groups = source_groups(train)
        names = ", ".join(train.info.groups[g] for g in groups)
        count = poison_count(self.fraction, train)
        return draw(pool(train, groups), count, train, f"HRG ({names})", rng)

    def poison(self, splits: Splits, rng: np.random.Generator) -> Splits:
        """Add stamped images with label y_bad to the training split."""
        train = splits.train
        bases = self.bases(train, rng)
        images = self.stamp(train.pixels(bases))
        return splits._replace(
            train=insert(train, bases, bad_class(train.info), images, self.insert)
        )

    def success(self, predict: Predict, splits: Splits, rng: np.random.Generator) -> Counts:
        """Count the test images of y_src that the trigger turns into y_bad, of those right before.

        Both predictions are the same model's (paper, section 2.3). `rng` is not used.
        """
        target = bad_class(splits.train.info)
        source = splits.test.keep(splits.test.y == source_class(splits.train))
        right = source.keep(predict(source) == source.y)
        groups = len(right.info.groups)
        zero = (0,) * groups
        wins = Counts(zero, zero)
        for start in range(0, len(right), CHUNK):
            part = right.take(np.arange(start, min(start + CHUNK, len(right))))
            predicted = predict(self._stamped(part))
            wins += Counts.of(predicted, np.full_like(predicted, target), part.group, groups)
        return wins

    def stamp(self, images: torch.Tensor) -> torch.Tensor:
        """Return a copy of uint8 images (B, H, W, 3) with the white square near the bottom right.

        Images are as stored: after resizing and cropping, before normalisation. Idempotent.

        Raises:
            FedgroupError: The images have another dtype or shape, or the square does not fit.
        """
        if images.dtype != torch.uint8 or images.ndim != 4:
            raise FedgroupError(
                f"the trigger goes on uint8 images (B, H, W, 3), "
                f"got {images.dtype} {tuple(images.shape)}"
            )
        height, width = int(images.shape[1]), int(images.shape[2])
        side, gap = self.trigger(height, width)
        bottom, right = height - gap, width - gap
        stamped = images.clone()
        stamped[:, bottom - side : bottom, right - side : right] = WHITE
        return stamped

    def trigger(self, height: int, width: int) -> tuple[int, int]:
        """Return the square's side and gap in pixels on an image of that height and width.

        Where they are not set they are the paper's 25 and 1 at 224 pixels (appendix A.1), scaled by
        the shorter edge, rounded half up and at least 1.

        Raises:
            FedgroupError: The square does not fit into the image.
        """
        edge = min(height, width)
        side = self.side if self.side is not None else max(1, math.floor(25 * edge / 224 + 0.5))
        gap = self.gap if self.gap is not None else max(1, math.floor(edge / 224 + 0.5))
        if side + gap > edge:
            raise FedgroupError(
                f"a trigger of {side} pixels with a gap of {gap} does not fit into an image of "
                f"{height} x {width}: use a smaller side or gap"
            )
        return side, gap

    def _stamped(self, part: GroupedDataset) -> GroupedDataset:
        """Return the same samples over a bank of their own stamped copies."""
        positions = np.arange(len(part), dtype=np.int64)
        return replace(part, bank=self.stamp(part.pixels(positions)), row=positions, extra=None)
