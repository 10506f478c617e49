"""Any Flower Strategy as an aggregation rule: Flower's own FedMedian, Krum, Bulyan, or yours.

The strategy sees messages with one float32 array `theta` and `num-examples`; BatchNorm statistics
stay with us. Its Python state travels in our state as pickled bytes, so a resumed run goes on
exactly.
"""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from flwr.app import (
    Array,
    ArrayRecord,
    ConfigRecord,
    Message,
    MessageType,
    MetricRecord,
    RecordDict,
)
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from flwr.supercore.run import Run
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from fedgroup.options import Options, thaw
from fedgroup.spec import imported
from fedgroup.update import ARRAYS, METRICS
from strategies.aggregator import State, Vector, require_clients
from strategies.rules.settings import is_count, plain_options
from strategies.server.messages import LentIdentity, with_id


@dataclass(frozen=True)
class FlowerRule:
    """Any Flower Strategy by its import path.

        w' = theta of the strategy's aggregate_train on one array theta = w_i per client

    The rule and its source are the strategy's own. State: `round`, and `strategy`, the pickled
    object.

    Departures: the strategy sees the parameters alone, and never samples clients; it is asked to
    train all of the admitted ones (fraction_train 1).
    """

    coordinatewise: ClassVar[bool] = False
    order_dependent: ClassVar[bool] = True
    """Nobody knows what a strategy does with the order of its replies."""

    strategy: str = "flwr.serverapp.strategy:FedMedian"
    """Import path of the class."""
    options: Options = ()
    """Its arguments, e.g. {num_malicious_nodes: 2}; kept as pairs."""
    least: int = 1
    """Fewest clients it works with."""

    def __post_init__(self) -> None:
        if not is_count(self.least, 1):
            raise FedgroupError(f"least must be at least 1, got {self.least}")
        pairs = plain_options(self.options, (int, float, str, bool))
        object.__setattr__(self, "options", pairs)

    def min_clients(self) -> int:
        """Return what the user says."""
        return self.least

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
        with LentIdentity():
            record = ArrayRecord({"theta": Array(theta)})
            # strategies that need the global arrays (momentum, Krum's distances) take them here
            list(strategy.configure_train(number, record, ConfigRecord(), _Nodes(len(clients))))
            replies = [
                _reply(i, c, w) for i, (c, w) in enumerate(zip(clients, weights, strict=True))
            ]
            try:
                arrays, _ = strategy.aggregate_train(number, replies)
            except (ValueError, IndexError, TypeError) as error:
                raise FedgroupError(
                    f"{self.strategy} failed on {len(clients)} clients: {error}"
                ) from error
        if arrays is None:
            raise FedgroupError(f"{self.strategy} gave no result for {len(clients)} clients")
        new = arrays["theta"].numpy()
        if new.shape != theta.shape:
            raise FedgroupError(
                f"{self.strategy} returned shape {new.shape}, expected {theta.shape}"
            )
        return new.astype(np.float32), {
            "round": np.asarray(state["round"] + 1),
            "strategy": _pickled(strategy),
        }

    def _fresh(self) -> Strategy:
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
        own = thaw(self.options)
        options: dict[str, Any] = {"fraction_train": 1.0, **own}
        options |= {
            key: 1 for key in ("min_train_nodes", "min_available_nodes") if key not in options
        }
        for arguments in (options, own):  # the user's own class may take none of Flower's
            try:
                return cls(**arguments)
            except TypeError as error:
                reason = error
            except ValueError as error:
                raise FedgroupError(f"{self.strategy} refuses its options ({error})") from error
        raise FedgroupError(f"{self.strategy} refuses its options ({reason})") from reason


class _Nodes(Grid):
    """A grid that only knows how many nodes there are."""

    def __init__(self, count: int) -> None:
        self.count = count

    def set_run(self, run: Run) -> None:
        """Not used."""

    @property
    def run(self) -> Run:
        """An empty run."""
        return Run.create_empty(1)

    def create_message(self, *_: Any, **__: Any) -> Message:
        """Not used."""
        raise NotImplementedError

    def get_node_ids(self) -> list[int]:
        """Node ids 2, 3, ..."""
        return list(range(2, 2 + self.count))

    def push_messages(self, messages: Any) -> list[str]:
        """Not used."""
        return []

    def pull_messages(self, message_ids: Any) -> list[Message]:
        """Not used."""
        return []

    def send_and_receive(self, messages: Any, *, timeout: float | None = None) -> list[Message]:
        """Not used."""
        return []


def _reply(position: int, client: Vector, weight: float) -> Message:
    question = Message(
        content=RecordDict(), message_type=MessageType.TRAIN, dst_node_id=2 + position, group_id="1"
    )
    with_id(question, str(position + 1))
    metrics = MetricRecord({"num-examples": int(weight), "partition-id": position})
    content = RecordDict({ARRAYS: ArrayRecord({"theta": Array(client)}), METRICS: metrics})
    return Message(content=content, reply_to=question)


def _pickled(strategy: Strategy) -> NDArray[np.uint8]:
    try:
        return np.frombuffer(pickle.dumps(strategy), np.uint8)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise FedgroupError(
            f"{type(strategy).__name__} cannot be saved in checkpoints ({error}): "
            f"give it picklable attributes"
        ) from error
