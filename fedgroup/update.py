"""One client's update and its wire form: names to numpy arrays and plain metrics, no Flower.

Weights travel, not differences: theta + (theta' - theta) in float32 would change coordinates.
The server (strategies) and the client (clients) agree on a message only through this module.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from fedgroup.layout import Weights

ARRAYS = "arrays"
"""Record of a message that holds the model's vectors."""
CONFIG = "config"
"""Record of a message that holds the task, the round and the layout's hash."""
METRICS = "metrics"
"""Record of a reply that holds what Update.metrics() returns."""


@dataclass(frozen=True)
class Update:
    """What one client sends back after local training."""

    client: int
    """Partition id."""
    examples: int
    """Training samples it reports to hold."""
    loss: float
    """Mean training loss of its last local epoch."""
    groups: tuple[int, ...]
    """Clean samples it holds per group (G,); an empty tuple from clients that do not say."""
    weights: Weights
    """Its model after training."""
    seconds: float = 0.0
    """Time its training took, 0 where it does not say; for timings only."""

    def metrics(self) -> dict[str, int | float | list[int]]:
        """Return the metrics as they travel: JSON-like scalars and lists, no weights."""
        return {
            "partition-id": self.client,
            "num-examples": self.examples,
            "loss": self.loss,
            "train_loss": self.loss,  # by this name Flower's own strategies read it
            "groups": list(self.groups),
            "seconds": self.seconds,
        }


@runtime_checkable
class ClientLanes(Protocol):
    """What a grid that fedgroup itself runs says beyond Flower's Grid.

    The server's clock needs it; a grid of Flower's own, whose nodes come and go, does not say it.
    """

    lanes: int
    """Clients that train at the same time."""
