"""Any ByzFL aggregator, after any of its pre-aggregators (extra: pip install 'fedgroup[byzfl]')."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError, unknown
from fedgroup.seeding import rng
from fedgroup.settings.options import Options, thaw
from fedgroup.train import TrainConfig
from strategies.aggregator import State, Vector, require_clients
from strategies.rules.settings import is_count, plain_options

_SUBSETS = 100_000
"""Most subsets of a cohort that an aggregator may look at in a round."""
_TRIED = 16
"""Coordinates of the updates on which a rule is tried before a run."""


@dataclass(frozen=True)
class ByzflRule:
    """An aggregator of ByzFL on the clients' updates.

        w' = w + A(B(d_1, ..., d_N))

    d_i = w_i - w; A: `aggregator`; B: `pre`, or the identity. What A and B compute, and their
    sources, say the classes of byzfl.aggregators. Unweighted.

    State: what A and B keep in attributes from call to call (CenteredClipping: m), under
    `rule.NAME` and `pre.NAME`.

    Departures: they act on updates, not on gradients; the updates are stacked, so that N more
    vectors are in memory. Floating results of another width are cast to float32; other dtypes and
    shapes are refused.
    """

    coordinatewise: ClassVar[bool] = False
    hosts: ClassVar[bool] = True
    """It runs the code of others, which is guarded (fedgroup/guards/surroundings.py)."""

    aggregator: str = "TrMean"
    """Class of ByzFL: Average, Median, TrMean, GeometricMedian, Krum, MultiKrum, CenteredClipping,
    MDA, MoNNA, Meamed, CAF or SMEA."""
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

    @property
    def results_version(self) -> int:
        """Return 2 for CenteredClipping, whose centre was lost between rounds in 0.1.0."""
        return 2 if self.aggregator == "CenteredClipping" else 1

    @property
    def order_dependent(self) -> bool:
        """Whether it trusts a position (MoNNA) or draws lots by position (Bucketing)."""
        return self.aggregator == "MoNNA" or self.pre == "Bucketing"

    def min_clients(self) -> int:
        """Return what the user says."""
        return self.least

    def check_start(self, cohort: int, train: TrainConfig | None) -> None:
        """Refuse what ByzFL refuses of a cohort of this size: tried on small updates."""
        f = dict(self.options).get("f", 0)
        subsets = math.comb(cohort, f) if self.aggregator in ("MDA", "SMEA") else 1
        if subsets > _SUBSETS:
            raise FedgroupError(
                f"ByzFL {self.aggregator} tries all {subsets:,} ways to leave {f} of {cohort} "
                f"clients out, the limit is {_SUBSETS:,}: lower f or federation.fraction"
            )
        theta = np.zeros(_TRIED, np.float32)
        drawn = rng(0, "byzfl", "trial").normal(size=(cohort, _TRIED)).astype(np.float32)
        self.step({}, theta, list(drawn), np.ones(cohort))

    def no_effect(self, cohort: int) -> str:
        """Say where every client counts in full: Average, or an aggregator with f 0."""
        tolerated = dict(self.options).get("f", 0)
        plain = self.aggregator in ("TrMean", "Meamed", "MDA", "MultiKrum") and tolerated == 0
        if self.pre or not (plain or self.aggregator == "Average"):
            return ""
        return f"FedAvg ({'Average' if self.aggregator == 'Average' else 'f 0'})"

    def init(self, theta: Vector) -> State:
        """Return no state; refuse classes and options that ByzFL does not have."""
        self._load()
        return {}

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Apply both to the updates."""
        require_clients(self, len(clients))
        vectors = np.stack([client - theta for client in clients])
        kept: State = {}
        for part, instance in self._load().items():
            _restore(instance, part, state)
            before = dict(vars(instance))
            try:
                answer = instance(vectors)
            except Exception as error:  # another project's class may raise anything
                words = " ".join(str(error).split())
                raise FedgroupError(
                    f"ByzFL {type(instance).__name__} failed on {len(clients)} clients: {words}"
                ) from error
            kept |= _changed(instance, part, before)
            vectors = np.asarray(answer)
        expected = f"expected {theta.shape} {theta.dtype}"
        if vectors.shape != theta.shape or vectors.dtype.kind != "f":
            raise FedgroupError(
                f"ByzFL {self.aggregator} returned {vectors.shape} {vectors.dtype}, {expected}"
            )
        with np.errstate(over="ignore"):  # the server refuses what is not finite
            return theta + vectors.astype(theta.dtype), kept

    def _load(self) -> dict[str, Any]:
        """Return the pre-aggregator, where there is one, and the aggregator."""
        try:
            import byzfl
        except ImportError as error:
            raise FedgroupError(
                "rule byzfl needs an extra package: pip install 'fedgroup[byzfl]'"
            ) from error
        parts = {"pre": _instance(byzfl, self.pre, self.pre_options)} if self.pre else {}
        return {**parts, "rule": _instance(byzfl, self.aggregator, self.options)}


def _restore(instance: Any, part: str, state: State) -> None:
    """Give an instance the attributes that it had after the last round."""
    for name, value in state.items():
        if name.startswith(f"{part}."):
            setattr(instance, name.removeprefix(f"{part}."), value)


def _changed(instance: Any, part: str, before: Mapping[str, Any]) -> State:
    """Return the attributes that a call has changed; refuse what no checkpoint holds."""
    kept: State = {}
    for name, value in vars(instance).items():
        if name in before and value is before[name]:
            continue
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise FedgroupError(
                f"ByzFL {type(instance).__name__} keeps {name} = {value!r} between rounds, which a "
                f"checkpoint cannot hold"
            )
        kept[f"{part}.{name}"] = array
    return kept


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
