"""How every number is printed: its heading, its decimals, its unit."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """How a number is printed."""

    heading: str
    decimals: int = 1
    unit: str = "%"
    """Printed in headings unless it is percent, the unit of nearly everything."""
    within: str = ""
    """Family of the spread within one run, which stands after ± instead of the one over seeds."""


METRICS = {
    "wga": Metric("WGA"),
    "acc_adjusted": Metric("ACC"),
    "acc_paper": Metric("ACC"),
    "acc": Metric("raw ACC"),
    "asr": Metric("ASR"),
    "asr_base": Metric("clean ASR"),
    "minority_influence": Metric("influence of LRG-1 holders", 2, "ratio"),
    "gap": Metric("gap"),
    "bound": Metric("bound"),
    "chance": Metric("bound by chance"),
    "strip_auc": Metric("AUC", 3, "0 to 1"),
}
"""Numbers by their name in the records."""

FAMILIES = {
    "idnf": Metric("IDNF"),
    "elmf": Metric("ELMF"),
    "group": Metric("group"),
    "entropy": Metric("entropy", 3, "bits", "entropy_spread"),
    "far": Metric("FAR at FRR"),
    "selected": Metric("selected"),
    "tv": Metric("TV"),
    "auc": Metric("AUC"),
}
"""Numbers of one kind, one per tier or group: 'idnf LRG-1' is an idnf and prints as LRG-1."""


def metric(name: str) -> Metric:
    """Return how a number is printed; an unknown one is a percentage under its own name."""
    family, _, member = name.partition(" ")
    if name in METRICS or not (member and family in FAMILIES):
        return METRICS.get(name) or Metric(name.upper())
    kind = FAMILIES[family]
    within = f"{kind.within} {member}" if kind.within else ""
    return Metric(_member(family, member), kind.decimals, kind.unit, within)


def _member(family: str, member: str) -> str:
    if family == "far":
        return f"FAR at FRR {member} %"
    if family in ("tv", "auc"):
        return f"{family.upper()} {member.replace('_', ' ')}"
    return member if family == "group" else member.upper()


def headings(names: list[str]) -> list[str]:
    """Return headings of columns, with the unit unless it is percent; equal ones get the family."""
    plain = [metric(name).heading for name in names]
    full = []
    for name, heading in zip(names, plain, strict=True):
        family = name.partition(" ")[0]
        if plain.count(heading) > 1 and family in FAMILIES:
            heading = f"{FAMILIES[family].heading} {heading}"
        unit = metric(name).unit
        full.append(heading if unit == "%" else f"{heading} ({unit})")
    return full


def cell(mean: float, std: float, decimals: int = 1) -> str:
    """Format 'mean ± std'.

    Args:
        mean: The mean; without a sign where it rounds to zero.
        std: The standard deviation; NaN, that of a single seed, is left out.
        decimals: Decimals of both.

    Returns:
        The text, such as '71.3 ± 0.4', or '71.3' of a single seed.
    """
    text = number(mean, decimals)
    return text if math.isnan(std) else f"{text} ± {std:.{decimals}f}"


def number(value: float, decimals: int = 1) -> str:
    """Format a number; one that rounds to zero has no sign."""
    return f"{value:z.{decimals}f}"
