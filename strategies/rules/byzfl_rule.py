"""Any ByzFL aggregator, after any of its pre-aggregators (extra: pip install 'fedgroup[byzfl]')."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError, unknown
from strategies.aggregator import State, Vector, require_clients

Options = tuple[tuple[str, int | float], ...]


@dataclass(frozen=True)
class ByzflRule:
    """An aggregator of ByzFL on the clients' updates: w' = w + A(B(d_1, ..., d_N))."""

    coordinatewise: ClassVar[bool] = False

    aggregator: str = "TrMean"
    """Class of ByzFL: Average, Median, TrMean, GeometricMedian, Krum, MultiKrum, MeaMed, ..."""
    options: Options = (("f", 2),)
    """Its arguments as [name, value] pairs."""
    pre: str = ""
    """Pre-aggregator applied first: NNM, Bucketing, Clipping, ARC; none by default."""
    pre_options: Options = ()
    """Its arguments as [name, value] pairs."""
    least: int = 1
    """Fewest clients it works with."""

    def min_clients(self) -> int:
        return self.least

    def init(self, theta: Vector) -> State:
        self._load()
        return {}

    def step(
        self,
        state: State,
        theta: Vector,
        clients: Sequence[Vector],
        weights: NDArray[np.float64],
    ) -> tuple[Vector, State]:
        """New weights (D,); unweighted. ByzFL stacks the updates: N more vectors in memory."""
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
        try:
            import byzfl
        except ImportError as error:
            raise FedgroupError(
                "rule byzfl needs an extra package: pip install 'fedgroup[byzfl]'"
            ) from error
        pre = _make(byzfl, self.pre, self.pre_options) if self.pre else None
        return pre, _make(byzfl, self.aggregator, self.options)


def _make(package: Any, name: str, options: Options) -> Any:
    """Build a (pre-)aggregator; all of them stand at the package's top level, beside much else."""
    known = {
        key: value
        for key, value in vars(package).items()
        if isinstance(value, type) and value.__module__.startswith("byzfl.aggregators")
    }
    if name not in known:
        raise unknown("ByzFL aggregator", name, known)
    try:
        return known[name](**dict(options))
    except (TypeError, ValueError) as error:
        raise FedgroupError(f"ByzFL {name} refuses its options ({error})") from error
