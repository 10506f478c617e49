"""Names at the right ends of lines, in the lines' colours, moved apart where they would overlap."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import ScaledTranslation

from experiments.figures.glyphs import show_letters
from experiments.figures.style import DPI, ink

GAP = 9.0
"""Points between the panel and its labels."""
SPACING = 1.05
"""Distance of the centres of two labels that touch, in label heights."""


@dataclass(frozen=True)
class End:
    """The right end of a line."""

    text: str
    x: float
    y: float
    """Data coordinates."""
    colour: str


def write(axis: Axes, ends: Sequence[End], size: float) -> list[Annotation]:
    """Write a label beside each end, joined to it by a thin line; `settle` moves them apart.

    Args:
        axis: The panel; its limits must be set.
        ends: Ends of the panel's lines.
        size: Font size in points.

    Returns:
        The labels, in the order of `ends`.
    """
    low, high = axis.get_ylim()
    beside = axis.transAxes + ScaledTranslation(GAP / 72, 0, axis.figure.dpi_scale_trans)
    return [
        axis.annotate(
            end.text,
            (end.x, end.y),
            xytext=(1, (end.y - low) / (high - low)),
            textcoords=beside,
            color=ink(end.colour),
            fontsize=size,
            verticalalignment="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": end.colour,
                "linewidth": 0.6,
                "shrinkA": 1,
                "shrinkB": 1,
                "relpos": (0, 0.5),
            },
        )
        for end in ends
    ]


def settle(figure: Figure, panels: Sequence[Sequence[Annotation]]) -> None:
    """Fix the layout of a figure, then move the labels of each panel apart.

    Args:
        figure: The figure; its layout engine is taken off, so that nothing moves afterwards.
        panels: Labels by panel, as `write` returned them.
    """
    figure.set_dpi(DPI)  # of the file: letters are a little wider or narrower at another
    show_letters(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for labels in panels:
        if not labels:
            continue
        box = labels[0].axes.bbox  # type: ignore[union-attr]
        heights = [SPACING * Text.get_window_extent(label).height for label in labels]
        wanted = [label.get_position()[1] * box.height for label in labels]
        centres = spread(wanted, heights, box.height)
        for label, centre in zip(labels, centres, strict=True):
            label.set_position((1, centre / box.height))


def spread(wanted: Sequence[float], heights: Sequence[float], room: float) -> list[float]:
    """Return centres of labels that do not overlap, as near to the wanted ones as can be.

    Least squares: with the labels in the order of their wanted centres and c_i the stacked distance
    of label i from the lowest one, z_i = y_i - c_i must not fall, which isotonic regression (pool
    adjacent violators) solves; clipping z to the room keeps the solution optimal inside it.

    Args:
        wanted: Wanted centres (n,).
        heights: Heights (n,), in the same unit.
        room: The labels stay between 0 and this; a taller stack is centred on it.

    Returns:
        Centres (n,), in the order of `wanted`.
    """
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    tall = np.array([heights[place] for place in order], np.float64)
    stacked = np.cumsum(tall) - tall / 2 - tall[0] / 2
    least, most = tall[0] / 2, room - stacked[-1] - tall[-1] / 2
    if least > most:
        least = most = (least + most) / 2
    pooled: list[tuple[float, int]] = []
    for place, offset in zip(order, stacked, strict=True):
        mean, count = wanted[place] - float(offset), 1
        while pooled and pooled[-1][0] >= mean:
            earlier, times = pooled.pop()
            mean, count = (mean * count + earlier * times) / (count + times), count + times
        pooled.append((mean, count))
    levels = np.array([mean for mean, count in pooled for _ in range(count)])
    centres = np.empty(len(wanted))
    centres[order] = np.clip(levels, least, most) + stacked
    return [float(centre) for centre in centres]
