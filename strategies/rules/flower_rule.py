"""Any Flower Strategy as an aggregation rule: Flower's own FedMedian, Krum, Bulyan, or yours.

The strategy sees messages with one float32 array `theta` and the metrics `num-examples`, and where
it may read them `train_loss` and `partition-id`; BatchNorm statistics stay with us. Its Python
state travels in our state as pickled bytes, so a resumed run goes on exactly.
"""

import logging
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

import numpy as np
from flwr.app import ArrayRecord
from flwr.serverapp.strategy import QFedAvg, Strategy
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from fedgroup.settings.options import Options, thaw
from fedgroup.settings.settings_cache import cached_by_settings
from fedgroup.spec import imported
from fedgroup.train import TrainConfig
from strategies.aggregator import State, Vector, require_clients
from strategies.rules import flower_needs
from strategies.rules.flower_exchange import THETA, Client, instructions, reply_of
from strategies.rules.settings import is_count, plain_options
from strategies.server.messages import LentIdentity

_LOG = logging.getLogger(__name__)
_CAST: set[str] = set()
"""Strategies whose results have been said to be cast, in this process."""


@dataclass(frozen=True)
class FlowerRule:
    """Any Flower Strategy by its import path.

        w' = theta of the strategy's aggregate_train on one array theta = w_i per client

    The rule and its source are the strategy's own. State: `round`, and `strategy`, the pickled
    object.

    Departures: the strategy sees the parameters of the admitted clients alone; it samples nobody,
    and what it tells the clients must be what they do anyway. Its round number counts the rounds
    that were aggregated. Floating results of another width are cast to float32, with a note in the
    log; other dtypes and shapes are refused.
    """

    coordinatewise: ClassVar[bool] = False
    hosts: ClassVar[bool] = True
    """It runs the code of others, which is guarded (fedgroup/guards/surroundings.py)."""
    order_dependent: ClassVar[bool] = True
    """Nobody knows what a strategy does with the order of its replies."""

    strategy: str = "flwr.serverapp.strategy:FedMedian"
    """Import path of the class."""
    options: Options = ()
    """Its arguments, e.g. {num_malicious_nodes: 2}; kept as pairs."""
    least: int = 1
    """Fewest clients it works with, where that is more than the strategy says."""

    def __post_init__(self) -> None:
        if not is_count(self.least, 1):
            raise FedgroupError(f"least must be at least 1, got {self.least}")
        pairs = plain_options(self.options, (int, float, str, bool))
        object.__setattr__(self, "options", pairs)

    @property
    def needs(self) -> tuple[str, ...]:
        """Losses, and who the clients are, for strategies that may read them."""
        cls = self._class()
        if not flower_needs.shipped(cls):
            return ("ids", "losses")
        weighs = thaw(self.options).get("weighted_by_key") == "train_loss"
        return ("losses",) if weighs or issubclass(cls, QFedAvg) else ()

    def min_clients(self) -> int:
        """Return what the strategy needs, or the user says where that is more."""
        return max(self.least, _fewest(self))

    def check_start(self, cohort: int, train: TrainConfig | None) -> None:
        """Refuse a strategy that would wait, be ignored, or be another one than its name says."""
        strategy = self._fresh()
        try:
            flower_needs.refuse_own_loop(strategy)
            flower_needs.refuse_no_effect(strategy, cohort)
            if cohort >= self.min_clients():
                told = _first_instructions(self, cohort)
                flower_needs.refuse_instructions(told, train)
            if train is not None:
                flower_needs.refuse_other_rate(strategy, train)
        except FedgroupError as error:
            raise FedgroupError(f"{self.strategy}: {error}") from error

    def init(self, theta: Vector) -> State:
        """Return round 0 and a fresh strategy, pickled."""
        return {"round": np.zeros((), np.int64), "strategy": _pickled(self._fresh())}

    def step(
        self, state: State, theta: Vector, clients: Sequence[Vector], weights: NDArray[np.float64]
    ) -> tuple[Vector, State]:
        """Let the strategy aggregate."""
        require_clients(self, len(clients))
        strategy: Strategy = pickle.loads(state["strategy"].tobytes())
        number = int(state["round"]) + 1
        people = _people(state, clients, weights)
        with_loss = "losses" in state and all(np.isfinite(client.loss) for client in people)
        with LentIdentity():
            try:
                # strategies that need the global arrays (momentum, Krum's distances) take them here
                told = instructions(strategy, number, theta, [one.number for one in people])
                flower_needs.refuse_instructions(told, None)
                if told and told != _first_instructions(self, len(people)):
                    raise FedgroupError(f"it tells the clients {told}, and said otherwise before")
                replies = [reply_of(client, with_loss) for client in people]
                arrays, _ = strategy.aggregate_train(number, replies)
            except Exception as error:  # an outsider's class may raise anything
                self._failed(error, len(clients))
        new = self._vector(arrays, theta, len(clients))
        return new, {"round": np.asarray(state["round"] + 1), "strategy": _pickled(strategy)}

    def _failed(self, error: Exception, count: int) -> NoReturn:
        """Raise what a strategy raised as one line."""
        words = " ".join(str(error).split())
        if not isinstance(error, FedgroupError):
            words = f"{type(error).__name__}: {words}"
        raise FedgroupError(f"{self.strategy} failed on {count} clients: {words}") from error

    def _vector(self, arrays: ArrayRecord | None, theta: Vector, count: int) -> Vector:
        """Return the result of a strategy as parameters; refuse what is none."""
        if arrays is None:
            raise FedgroupError(f"{self.strategy} gave no result for {count} clients")
        if not isinstance(arrays, ArrayRecord) or set(arrays) != {THETA}:
            names = sorted(arrays) if isinstance(arrays, ArrayRecord) else type(arrays).__name__
            raise FedgroupError(f"{self.strategy} returned {names}, expected one array '{THETA}'")
        new = arrays[THETA].numpy()
        expected = f"expected {theta.shape} {theta.dtype}"
        text = f"{self.strategy} returned {new.shape} {new.dtype}, {expected}"
        if new.shape != theta.shape or new.dtype.kind != "f":
            raise FedgroupError(f"{text}: return parameters as they came")
        if new.dtype != theta.dtype and self.strategy not in _CAST:
            _CAST.add(self.strategy)
            _LOG.warning("%s: it is cast", text)
        with np.errstate(over="ignore"):  # the server refuses what is not finite
            return np.array(new, theta.dtype)

    def _class(self) -> type[Strategy]:
        """Return the class; refuse what is no Flower strategy, or one that has no place here."""
        try:
            cls = imported(self.strategy) if ":" in self.strategy else None
        except FedgroupError as error:
            raise FedgroupError(
                f"cannot load the Flower strategy '{self.strategy}' ({error.__cause__})"
            ) from error
        if not (isinstance(cls, type) and issubclass(cls, Strategy)):
            raise FedgroupError(
                f"'{self.strategy}' is not a Flower strategy: give my_pkg.mod:Class"
            )
        try:
            flower_needs.refuse_class(cls)
        except FedgroupError as error:
            raise FedgroupError(f"{self.strategy}: {error}") from error
        return cls

    def _fresh(self) -> Strategy:
        """Return a new strategy with the options; where they are left out, it samples nobody."""
        cls, own = self._class(), thaw(self.options)
        try:
            flower_needs.refuse_unused(cls, own)
        except FedgroupError as error:
            raise FedgroupError(f"{self.strategy}: {error}") from error
        plain = {"fraction_train": 1.0, "min_train_nodes": 1, "min_available_nodes": 1}
        options: dict[str, Any] = {**plain, **own}
        for arguments in (options, own):  # the user's own class may take none of Flower's
            try:
                return cls(**arguments)
            except TypeError as error:
                reason: Exception = error
            except Exception as error:  # an outsider's class may raise anything
                reason = error
                break
        raise FedgroupError(f"{self.strategy} refuses its options ({reason})") from reason


def _people(state: State, clients: Sequence[Vector], weights: NDArray[np.float64]) -> list[Client]:
    """Return the clients of a round as the strategy sees them."""
    count = len(clients)
    ids = state.get("ids", np.arange(count))
    losses = state.get("losses", np.full(count, np.nan))
    return [
        Client(int(number), vector, float(samples), float(loss), "ids" in state)
        for number, vector, samples, loss in zip(ids, clients, weights, losses, strict=True)
    ]


@cached_by_settings(maxsize=16)
def _fewest(rule: FlowerRule) -> int:
    """Return the fewest clients that a strategy needs, by what it says of itself."""
    strategy = rule._fresh()
    try:
        return flower_needs.fewest(strategy)
    except FedgroupError as error:
        raise FedgroupError(f"{rule.strategy}: {error}") from error


@cached_by_settings(maxsize=16)
def _first_instructions(rule: FlowerRule, cohort: int) -> dict[str, object]:
    """Return what a fresh strategy tells the clients in round 1; {} where it cannot be tried."""
    with LentIdentity():
        try:
            return instructions(rule._fresh(), 1, np.zeros(1, np.float32), list(range(cohort)))
        except FedgroupError:
            raise
        except Exception:  # it may look at the parameters, which are none yet: round 1 will tell
            return {}


def _pickled(strategy: Strategy) -> NDArray[np.uint8]:
    try:
        return np.frombuffer(pickle.dumps(strategy), np.uint8)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise FedgroupError(
            f"{type(strategy).__name__} cannot be saved in checkpoints ({error}): "
            f"give it picklable attributes"
        ) from error
