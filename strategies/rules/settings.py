"""How the values of a rule's settings are checked: each function says no to NaN and to infinity."""

import math

import numpy as np

from fedgroup.errors import FedgroupError
from fedgroup.settings.options import Options, Pairs, freeze
from strategies.aggregator import Aggregator


def is_count(value: object, least: int = 0) -> bool:
    """Return whether a value is a whole number of at least `least`; a boolean is none."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return whole and int(value) >= least  # type: ignore[call-overload]


def is_positive(value: float) -> bool:
    """Return whether a value is above 0 and finite."""
    return 0 < value < math.inf


def refuse_root(name: str, rule: Aggregator) -> None:
    """Refuse a rule that needs a root vector inside a pre-aggregator: it would never get one.

    What is a class attribute is known without importing what the rule's settings name.
    """
    declared = getattr(type(rule), "needs", ())
    if "root" in (declared if isinstance(declared, tuple) else ()):
        raise FedgroupError(
            f"{name}: {type(rule).__name__} needs the server's root vector, which a rule inside "
            f"another does not get: use it by itself"
        )


def plain_options(options: Options, allowed: tuple[type, ...]) -> Pairs:
    """Return the options of a wrapped class as pairs; refuse values of other types, NaN and inf."""
    pairs = freeze(options)
    for name, value in pairs:
        fits = isinstance(value, allowed) and (bool in allowed or not isinstance(value, bool))
        if not fits or (isinstance(value, float) and not math.isfinite(value)):
            words = ", ".join(kind.__name__ for kind in allowed)
            raise FedgroupError(f"options must be finite values ({words}), got {name}: {value!r}")
    return pairs
