"""Any ByzFL aggregator, after any of its pre-aggregators (extra: pip install 'fedgroup[byzfl]')."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError, unknown
from fedgroup.options import Options, thaw
from strategies.aggregator import State, Vector, require_clients
from strategies.rules.settings import is_count, plain_options


@dataclass(frozen=True)
class ByzflRule:
    """An aggregator of ByzFL on the clients' updates.

        w' = w + A(B(d_1, ..., d_N))

    d_i = w_i - w; A: `aggregator`; B: `pre`, or the identity. What A and B compute, and their
    sources, say the classes of byzfl.aggregators. Unweighted.

    Departures: they act on updates, not on gradients; the updates are stacked, so that N more
    vectors are in memory.
    """

    coordinatewise: ClassVar[bool] = False

    aggregator: str = "TrMean"
    """Class of ByzFL: Average, Median, TrMean, GeometricMedian, Krum, MultiKrum, MeaMed, ..."""
    options: Options = (("f", 2),)
    """Its arguments, e.g. {f: 2}; kept as pairs."""
    pre: str = ""
    """Pre-aggregator applied first: NNM, Bucketing, Clipping, ARC; none by default."""
    pre_options: Options = ()
    """Its arguments, e.g. {f: 2}; kept as pairs."""
    least: int = 1
    """Fewest clients it works with."""

    def __post_init__(self) -> None:
        if not is_count(self.least, 1):
            raise FedgroupError(f"least must be at least 1, got {self.least}")
        for name in ("options", "pre_options"):
            object.__setattr__(self, name, plain_options(getattr(self, name), (int, float)))

    def min_clients(self) -> int:
        """Return what the user says."""
        return self.least

    def init(self, theta: Vector) -> State:
        """Return no state; refuse classes and options that ByzFL does not have."""
        self._load()
        return {}

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Apply both to the updates."""
        require_clients(self, len(clients))
        pre, rule = self._load()
        updates = np.stack([client - theta for client in clients])
        try:
            step = np.asarray(rule(pre(updates) if pre is not None else updates), np.float32)
        except (ValueError, TypeError, IndexError, AssertionError) as error:
            raise FedgroupError(
                f"ByzFL {self.aggregator} failed on {len(clients)} clients: {error}"
            ) from error
        return theta + step, state

    def _load(self) -> tuple[Any, Any]:
        """Return the pre-aggregator (or None) and the aggregator."""
        try:
            import byzfl
        except ImportError as error:
            raise FedgroupError(
                "rule byzfl needs an extra package: pip install 'fedgroup[byzfl]'"
            ) from error
        pre = _instance(byzfl, self.pre, self.pre_options) if self.pre else None
        return pre, _instance(byzfl, self.aggregator, self.options)


def _instance(package: Any, name: str, options: Options) -> Any:
    """Return a (pre-)aggregator; all of them are at the package's top level, beside much else."""
    classes = {
        key: value
        for key, value in vars(package).items()
        if isinstance(value, type) and value.__module__.startswith("byzfl.aggregators")
    }
    if name not in classes:
        raise unknown("ByzFL aggregator", name, classes)
    try:
        return classes[name](**thaw(options))
    except (TypeError, ValueError) as error:
        raise FedgroupError(f"ByzFL {name} refuses its options ({error})") from error
