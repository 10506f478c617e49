"""The restarts of gradient matching: stored one by one, and a progress bar of the running one."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedgroup import storage


@dataclass(frozen=True)
class Restarts:
    """R finished restarts and the P poisons of the best one."""

    images: NDArray[np.uint8]
    """Poisons of the best restart, (P, H, W, 3)."""
    trace: NDArray[np.float32]
    """Loss before every update of every restart, (R, steps): the loss curves."""
    stored: NDArray[np.float32]
    """Loss of every restart's rounded images, not augmented, (R,); it decides nothing."""

    @property
    def scores(self) -> NDArray[np.float32]:
        """The loss of every restart's last step, (R,)."""
        scores: NDArray[np.float32] = self.trace[:, -1]
        return scores

    @property
    def best(self) -> int:
        """The number of the restart of lowest score, the first on ties (the official rule)."""
        return int(self.scores.argmin())

    def with_restart(
        self, images: NDArray[np.uint8], curve: NDArray[np.float32], stored: float
    ) -> "Restarts":
        """Return these restarts and one more.

        Args:
            images: Its poisons, (P, H, W, 3).
            curve: Its loss before every step, (steps,).
            stored: Loss of the poisons as they are stored.

        Returns:
            R + 1 restarts, with its poisons if it is the best.
        """
        more = Restarts(
            images, np.vstack([self.trace, curve]), np.append(self.stored, np.float32(stored))
        )
        if more.best == len(more.trace) - 1:
            return more
        return Restarts(self.images, more.trace, more.stored)

    def save(self, path: Path) -> None:
        """Store at `path`, whole or not at all."""
        storage.save_cached(
            path, {"images": self.images, "trace": self.trace, "stored": self.stored}
        )

    @classmethod
    def load(cls, path: Path, poisons: int, size: tuple[int, int], steps: int) -> "Restarts":
        """Read the restarts stored at a path.

        Args:
            path: File that `save` wrote.
            poisons: P, the number of poisons.
            size: Height and width of the images in pixels.
            steps: Steps per restart.

        Returns:
            The restarts; none of them (R = 0) where there is no file or, with a warning, a damaged
            one.
        """
        empty = cls(
            np.zeros((poisons, *size, 3), np.uint8),
            np.zeros((0, steps), np.float32),
            np.zeros(0, np.float32),
        )
        arrays = storage.load_cached(path, {"images", "trace", "stored"})
        if arrays is None:
            return empty
        restarts = cls(**arrays)
        whole = (
            restarts.images.shape == empty.images.shape
            and restarts.images.dtype == np.uint8
            and restarts.trace.shape == (len(restarts.stored), steps)
            and len(restarts.stored) > 0
        )
        if not whole:
            storage.warn_damaged(path, "arrays of other shapes")
            return empty
        return restarts


def progress_bar(number: int, restarts: int, steps: int) -> Callable[[int], None]:
    """Return what draws a bar on a terminal's stderr, and nothing elsewhere.

    Args:
        number: The running restart, from 0.
        restarts: Restarts in all.
        steps: Steps per restart.

    Returns:
        A function of the number of steps done.
    """

    def draw(step: int) -> None:
        filled = "#" * (24 * step // steps)
        end = "\n" if step == steps and number + 1 == restarts else ""
        print(
            f"\rgm restart {number + 1}/{restarts} [{filled:<24}]",
            end=end,
            file=sys.stderr,
            flush=True,
        )

    return draw if sys.stderr.isatty() else lambda step: None
