"""One client's update and its wire form: names to numpy arrays and plain metrics, no Flower.

Weights travel, not differences: theta + (theta' - theta) in float32 would change coordinates.
The server (strategies) and the client (clients) agree on a message only through this module.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from fedgroup.layout import Layout, Weights

ARRAYS = "arrays"
CONFIG = "config"
METRICS = "metrics"
"""Names of the records of a message."""

DTYPES: dict[str, np.dtype[Any]] = {
    "theta": np.dtype(np.float32),
    "buffers": np.dtype(np.float32),
    "counters": np.dtype(np.int64),
}


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
    seconds: float = 0.0
    """Time its training took, 0 where it does not say; for timings only."""

    def metrics(self) -> dict[str, int | float | list[int]]:
        """Metrics as they travel (JSON-like scalars and lists)."""
        return {
            "partition-id": self.client,
            "num-examples": self.examples,
            "loss": self.loss,
            "groups": list(self.groups),
            "seconds": self.seconds,
        }


def admit(
    arrays: Mapping[str, NDArray[Any]],
    metrics: Mapping[str, Any],
    layout: Layout,
    max_norm: float | None,
    theta: NDArray[np.float32],
) -> Update:
    """Check one reply and return it as an Update; raises FedgroupError with the reason it is refused.

    A reply is taken or refused whole (spec 2.4): the names, shapes and dtypes must be the global
    model's, every value finite, the running variances at least 0, the sample count a positive number,
    and with `max_norm` the L2 distance to the global `theta` within it.
    """
    if set(arrays) != set(DTYPES):
        raise FedgroupError(f"arrays named {sorted(arrays)}, expected {sorted(DTYPES)}")
    for name, dtype in DTYPES.items():
        array, length = arrays[name], layout.length(name)
        if array.shape != (length,):
            raise FedgroupError(f"{name} has shape {array.shape}, expected ({length},)")
        if array.dtype != dtype:
            raise FedgroupError(f"{name} has dtype {array.dtype}, expected {dtype}")
        if dtype.kind == "f" and length and not finite(array):
            raise FedgroupError(
                f"{name} holds {int((~np.isfinite(array)).sum())} NaN or infinite values"
            )
    examples = metrics.get("num-examples")
    if (
        isinstance(examples, bool)
        or not isinstance(examples, int | float)
        or not math.isfinite(examples)
    ):
        raise FedgroupError(f"num-examples is {examples!r}, expected a positive number")
    if examples <= 0 or examples != int(examples):
        raise FedgroupError(f"num-examples is {examples!r}, expected a positive whole number")
    variance = arrays["buffers"][layout.slice("buffers", "running_var")]
    if len(variance) and float(variance.min()) < 0:
        raise FedgroupError(
            f"a BatchNorm running variance is negative ({float(variance.min()):.3g})"
        )
    excess = too_long(arrays["theta"], theta, max_norm)
    if excess is not None:
        raise FedgroupError(excess)
    loss = metrics.get("loss", float("nan"))
    return Update(
        client=int(metrics["partition-id"]),
        examples=int(examples),
        loss=float(loss) if isinstance(loss, int | float) else float("nan"),
        groups=tuple(int(g) for g in metrics.get("groups", ())),
        weights=Weights(arrays["theta"], arrays["buffers"], arrays["counters"]),
        seconds=_seconds(metrics.get("seconds")),
    )


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and 0 <= value < math.inf else 0.0


def too_long(
    after: NDArray[np.float32], before: NDArray[np.float32], max_norm: float | None
) -> str | None:
    """Says so where the L2 distance of two vectors (D,) exceeds `max_norm`; None where it does not."""
    if max_norm is None:
        return None
    norm = float(np.linalg.norm(after.astype(np.float64) - before))
    return f"update norm {norm:.4g} exceeds the bound {max_norm:.4g}" if norm > max_norm else None


def finite(array: NDArray[Any]) -> bool:
    """True where all values are finite; chunked, without a temporary of the array's size."""
    for start in range(0, array.size, 1 << 18):
        part = array[start : start + (1 << 18)]
        if (
            not np.isfinite(part @ part) and not np.isfinite(part).all()
        ):  # a square may just overflow
            return False
    return True
