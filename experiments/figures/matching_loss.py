"""Gradient matching's loss by step: how well the poisons imitate their target."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.figures.style import MARKERS, OTHERS, canvas, save, styled


@styled
def matching_loss(trace: NDArray[np.float32], path: Path) -> None:
    """Draw the loss: one line per restart, `trace` (restarts, steps)."""
    figure, ((axis,),) = canvas(1, 1, 7, 4)
    for restart, losses in enumerate(trace):
        axis.plot(
            np.arange(1, len(losses) + 1),
            losses,
            color=OTHERS[restart % len(OTHERS)],
            marker=MARKERS[restart // len(OTHERS) % len(MARKERS)],
            markevery=0.1,
            label=f"restart {restart + 1}: {losses[0]:.2f} to {losses[-1]:.2f}",
        )
    axis.set(
        xlabel="step",
        ylabel="matching loss",
        title="Gradient matching: 1 − cosine to the target gradient",
    )
    axis.legend()
    save(figure, path)
