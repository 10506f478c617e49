"""The product of gradient matching and how it is stored between restarts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedgroup import cache


@dataclass(frozen=True)
class Brew:
    """Finished restarts (R of them) and the P poisons of the best one."""

    images: NDArray[np.uint8]
    """Poisons of the best restart, (P, H, W, 3)."""
    trace: NDArray[np.float32]
    """Loss before every update of every restart, (R, steps): the loss curves."""
    stored: NDArray[np.float32]
    """Loss of every restart's rounded images, not augmented, (R,): for the record, it decides nothing."""

    @property
    def scores(self) -> NDArray[np.float32]:
        """Loss of every restart's last step, (R,)."""
        scores: NDArray[np.float32] = self.trace[:, -1]
        return scores

    @property
    def best(self) -> int:
        """The restart of lowest score, the first on ties (the official rule)."""
        return int(self.scores.argmin())

    def plus(self, images: NDArray[np.uint8], curve: NDArray[np.float32], stored: float) -> "Brew":
        """With one more restart: its poisons (P, H, W, 3), its loss curve (steps,) and its stored loss."""
        added = Brew(
            images, np.vstack([self.trace, curve]), np.append(self.stored, np.float32(stored))
        )
        if added.best == len(added.trace) - 1:
            return added
        return Brew(self.images, added.trace, added.stored)

    def save(self, path: Path) -> None:
        """Store at `path`, whole or not at all."""
        cache.save(path, {"images": self.images, "trace": self.trace, "stored": self.stored})

    @classmethod
    def load(cls, path: Path, poisons: int, size: tuple[int, int], steps: int) -> "Brew":
        """What is stored at `path`; without restarts where there is nothing, or nothing that is whole."""
        empty = cls(
            np.zeros((poisons, *size, 3), np.uint8),
            np.zeros((0, steps), np.float32),
            np.zeros(0, np.float32),
        )
        arrays = cache.load(path, {"images", "trace", "stored"})
        if arrays is None:
            return empty
        found = cls(**arrays)
        whole = (
            found.images.shape == empty.images.shape
            and found.images.dtype == np.uint8
            and found.trace.shape == (len(found.stored), steps)
            and len(found.stored) > 0
        )
        if not whole:
            cache.warn_damaged(path, "arrays of other shapes")
            return empty
        return found
