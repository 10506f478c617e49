"""Lines of a panel that look like one."""

from collections.abc import Mapping, Sequence

import numpy as np

from experiments.figures.round_values import Curve, NamedCurve

COINCIDE = 0.004
"""Lines that are nowhere further apart than this share of the panel's height look like one."""


def coinciding(panels: Mapping[str, Sequence[NamedCurve]], metric: str, height: float) -> list[str]:
    """Say which lines look like one.

    Args:
        panels: Lines by facet.
        metric: What the panels show.
        height: Height of the panels in the metric's unit.

    Returns:
        One sentence per set of lines, with the facets where they coincide unless it is all.
    """
    where: dict[str, list[str]] = {}
    for facet, lines in panels.items():
        for same in _alike(lines, COINCIDE * height):
            every = "All lines" if len(same) == len(lines) > 2 else ""
            names = every or f"{', '.join(same[:-1])} and {same[-1]}"
            where.setdefault(names, []).append(facet)
    return [
        f"{names} coincide ({metric}{'' if len(some) == len(panels) else ': ' + '; '.join(some)})."
        for names, some in where.items()
    ]


def _alike(lines: Sequence[NamedCurve], least: float) -> list[list[str]]:
    """Return the names of lines that are nowhere further apart than `least`, grouped."""
    alike: list[list[NamedCurve]] = []
    for line in lines:
        for others in alike:
            if _distance(others[0].curve, line.curve) <= least:
                others.append(line)
                break
        else:
            alike.append([line])
    return [[line.name for line in same] for same in alike if len(same) > 1]


def _distance(one: Curve, other: Curve) -> float:
    """Return the largest distance of two means; infinite where nothing is known of both."""
    means = [dict(zip(curve.rounds, curve.mean, strict=True)) for curve in (one, other)]
    gaps = [abs(float(means[0][r] - means[1][r])) for r in means[0] if r in means[1]]
    finite = [gap for gap in gaps if np.isfinite(gap)]
    return max(finite, default=np.inf)
