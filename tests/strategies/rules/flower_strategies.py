"""Flower strategies of users, for the tests of the rule that hosts them."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import DifferentialPrivacyServerSideFixedClipping, FedAvg

HERE = "tests.strategies.rules.flower_strategies:"


class Returning(FedAvg):
    """Returns what CHANGE makes of the mean."""

    @staticmethod
    def change(mean: Any) -> Any:
        return mean

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        arrays, metrics = super().aggregate_train(server_round, replies)
        assert arrays is not None
        return ArrayRecord({"theta": Array(self.change(arrays["theta"].numpy()))}), metrics


class Wide(Returning):
    @staticmethod
    def change(mean: Any) -> Any:
        return mean.astype(np.float64) + 1


class Half(Returning):
    @staticmethod
    def change(mean: Any) -> Any:
        return mean.astype(np.float16)


class Whole(Returning):
    @staticmethod
    def change(mean: Any) -> Any:
        return np.rint(mean).astype(np.int64)


class Column(Returning):
    @staticmethod
    def change(mean: Any) -> Any:
        return mean[:, None]


class Renamed(FedAvg):
    def aggregate_train(self, server_round: int, replies: Iterable[Message]) -> Any:
        return ArrayRecord({"weights": Array(np.zeros(3, np.float32))}), None


class Listed(FedAvg):
    def aggregate_train(self, server_round: int, replies: Iterable[Message]) -> Any:
        return [np.zeros(3)], None


class Breaks(FedAvg):
    """Raises in round 3, as long as BROKEN says so."""

    broken: ClassVar[bool] = True

    def aggregate_train(self, server_round: int, replies: Iterable[Message]) -> Any:
        if server_round == 3 and Breaks.broken:
            raise KeyError("momentum\nof the third round")
        return super().aggregate_train(server_round, replies)


class OwnRate(FedAvg):
    """The tutorials' schedule of learning rates."""

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        config["lr"] = 0.1 / server_round
        return super().configure_train(server_round, arrays, config, grid)


class Samples(FedAvg):
    """Asks a tenth of the nodes, whatever it is told."""

    def __init__(self) -> None:
        super().__init__(fraction_train=0.5, min_train_nodes=1, min_available_nodes=1)


class Hardcoded(FedAvg):
    """Wants ten nodes, and takes no options."""

    def __init__(self) -> None:
        super().__init__(min_train_nodes=10, min_available_nodes=10)


class Waits(FedAvg):
    """Waits for a hundred nodes by itself."""

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        while len(list(grid.get_node_ids())) < 100:
            pass
        return []


class Shrinks(FedAvg):
    """Sends the clients half of the model."""

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        smaller = ArrayRecord({"theta": Array(arrays["theta"].numpy() / 2 + 1)})
        return super().configure_train(server_round, smaller, config, grid)


class OwnLoop(FedAvg):
    def start(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("never called")


class Evaluates(FedAvg):
    """Keeps what clients evaluate."""

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> Any:
        self.seen = list(replies)
        return super().aggregate_evaluate(server_round, self.seen)


class Private(DifferentialPrivacyServerSideFixedClipping):
    """A wrapper that makes what it wraps."""

    def __init__(self, noise_multiplier: float = 0.5, clients: int = 10) -> None:
        inner = FedAvg(min_train_nodes=1, min_available_nodes=1)
        super().__init__(inner, noise_multiplier, 0.1, clients)


class Remembers(FedAvg):
    """Keeps a count per node: how often it was heard."""

    def __init__(self) -> None:
        super().__init__(min_train_nodes=1, min_available_nodes=1)
        self.heard: dict[int, int] = {}
        self.metrics: list[dict[str, Any]] = []

    def aggregate_train(self, server_round: int, replies: Iterable[Message]) -> Any:
        kept = list(replies)
        for reply in kept:
            node = reply.metadata.src_node_id
            self.heard[node] = self.heard.get(node, 0) + 1
        self.metrics = [dict(reply.content.metric_records["metrics"]) for reply in kept]
        return super().aggregate_train(server_round, kept)
