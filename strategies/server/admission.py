"""Which replies of a round are admitted: each is taken or refused whole, and named with a reason.

The names, shapes and dtypes of the arrays must be the global model's, every value finite (a buffer
may be as the server sent it, such as a mask of -inf), the running variances at least 0 and the
sample count that of the client's shard; with a bound, the L2 norm of the update must be within it.
"""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flwr.app import Message
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from fedgroup.layout import Layout, Weights
from fedgroup.update import Update
from strategies.aggregator import Vector
from strategies.server.messages import read_arrays, read_metrics

Row = dict[str, Any]
"""What the records say of one client in one round."""

DTYPES: Mapping[str, np.dtype[Any]] = {
    "theta": np.dtype(np.float32),
    "buffers": np.dtype(np.float32),
    "counters": np.dtype(np.int64),
}
"""Names and dtypes of the arrays of a reply."""

_CHUNK = 1 << 18


@dataclass(frozen=True)
class Admission:
    """What the replies of a run are checked against."""

    layout: Layout
    """Layout of the global model."""
    nodes: Mapping[int, int]
    """Partition id -> the node that holds it."""
    sizes: Sequence[int] = ()
    """Samples of each client's shard, which a reply must name; empty where they are not known."""
    max_norm: float | None = None
    """Largest L2 norm of an update; None: no bound."""

    def admit_all(
        self, replies: Iterable[Message], cohort: Sequence[int], before: Weights
    ) -> tuple[list[Update], list[Row]]:
        """Sort the replies of a round into updates and refusals.

        Args:
            replies: In any order; a second reply of a client, or one nobody asked for, is left out.
            cohort: Partition ids of the clients that were asked.
            before: The global model before the round.

        Returns:
            The admitted updates and one row per client of the cohort (status ok, rejected, failed
            or missing, and the reason), both sorted by partition id.
        """
        clients = {node: client for client, node in self.nodes.items()}
        updates = []
        rows: dict[int, Row] = {}
        for reply in replies:
            client = clients.get(reply.metadata.src_node_id, -1)
            if client not in cohort or client in rows:
                continue
            if reply.has_error():
                rows[client] = _refused(client, "failed", reply.error.reason or "unknown")
                continue
            try:
                update = self.admit_one(reply, client, before)
            except FedgroupError as error:
                rows[client] = _refused(client, "rejected", str(error))
                logging.getLogger("flwr").warning("partition %d: refused: %s", client, error)
                continue
            rows[client] = {"client": client, "status": "ok"}
            updates.append(update)
        for client in cohort:
            rows.setdefault(client, _refused(client, "missing", "no reply in time"))
        updates.sort(key=lambda update: update.client)
        return updates, [rows[client] for client in sorted(rows)]

    def admit_one(self, reply: Message, client: int, before: Weights) -> Update:
        """Check the reply of one client.

        Args:
            reply: The reply, which is no error.
            client: Partition id that the node holds.
            before: The global model before the round.

        Returns:
            The client's update.

        Raises:
            FedgroupError: The reply is refused; the text is the reason.
        """
        metrics = read_metrics(reply)
        if metrics.get("partition-id") != client:
            raise FedgroupError(
                f"the reply claims partition {metrics.get('partition-id')!r}, expected {client}"
            )
        update = admit(read_arrays(reply), metrics, self.layout, self.max_norm, before)
        if self.sizes and update.examples != self.sizes[client]:
            raise FedgroupError(
                f"num-examples is {update.examples}, but {self.sizes[client]} were dealt to this "
                f"client"
            )
        return update


def admit(
    arrays: Mapping[str, NDArray[Any]],
    metrics: Mapping[str, Any],
    layout: Layout,
    max_norm: float | None,
    before: Weights,
) -> Update:
    """Check what a client sent.

    Args:
        arrays: Its arrays by name.
        metrics: Its metrics by name (see `Update.metrics`).
        layout: Layout of the global model.
        max_norm: Largest L2 norm of an update; None: no bound.
        before: The global model before the round.

    Returns:
        The client's update.

    Raises:
        FedgroupError: The reply is refused; the text is the reason.
    """
    _check_arrays(arrays, layout)
    _check_finite(arrays, before)
    examples = _examples(metrics.get("num-examples"))
    variance = arrays["buffers"][layout.slice("buffers", "running_var")]
    if len(variance) and float(variance.min()) < 0:
        raise FedgroupError(
            f"a BatchNorm running variance is negative ({float(variance.min()):.3g})"
        )
    excess = too_long(arrays["theta"], before.theta, max_norm)
    if excess is not None:
        raise FedgroupError(excess)
    loss = metrics.get("loss", math.nan)
    return Update(
        client=int(metrics["partition-id"]),
        examples=examples,
        loss=float(loss) if isinstance(loss, int | float) else math.nan,
        groups=_groups(metrics.get("groups", [])),
        weights=Weights.from_arrays(arrays),
        seconds=_seconds(metrics.get("seconds")),
    )


def refusal(update: Update, max_norm: float | None, theta: Vector) -> str | None:
    """Check an update that was forged after its client's reply had been admitted.

    Args:
        update: The forged update.
        max_norm: Largest L2 norm of an update; None: no bound.
        theta: Global parameters before the round, (D,) float32.

    Returns:
        Why it is refused; None where it is admitted.
    """
    if not finite(update.weights.theta):
        return "theta holds NaN or infinite values"
    return too_long(update.weights.theta, theta, max_norm)


def too_long(after: Vector, before: Vector, max_norm: float | None) -> str | None:
    """Compare the length of an update with its bound.

    Args:
        after: Parameters of the client, (D,) float32.
        before: Global parameters, (D,) float32.
        max_norm: Largest L2 distance of the two; None: no bound.

    Returns:
        Why the update is refused; None where it is within the bound.
    """
    if max_norm is None:
        return None
    norm = float(np.linalg.norm(after.astype(np.float64) - before))
    return f"update norm {norm:.4g} exceeds the bound {max_norm:.4g}" if norm > max_norm else None


def finite(array: NDArray[Any]) -> bool:
    """Return whether all values are finite; chunked, without a temporary of the array's size."""
    for start in range(0, array.size, _CHUNK):
        part = array[start : start + _CHUNK]
        # the sum of squares may overflow although every value is finite
        if not np.isfinite(part @ part) and not np.isfinite(part).all():
            return False
    return True


def _refused(client: int, status: str, reason: str) -> Row:
    return {"client": client, "status": status, "reason": reason}


def _check_arrays(arrays: Mapping[str, NDArray[Any]], layout: Layout) -> None:
    """Refuse other names, shapes and dtypes than the model's."""
    if set(arrays) != set(DTYPES):
        raise FedgroupError(f"arrays named {sorted(arrays)}, expected {sorted(DTYPES)}")
    for name, dtype in DTYPES.items():
        array, length = arrays[name], layout.length(name)
        if array.shape != (length,):
            raise FedgroupError(f"{name} has shape {array.shape}, expected ({length},)")
        if array.dtype != dtype:
            raise FedgroupError(f"{name} has dtype {array.dtype}, expected {dtype}")


def _check_finite(arrays: Mapping[str, NDArray[Any]], before: Weights) -> None:
    """Refuse values that are not finite, but for those of buffers that the server sent so."""
    theta, buffers = arrays["theta"], arrays["buffers"]
    wrong = {"theta": 0, "buffers": 0}
    if not finite(theta):
        wrong["theta"] = int((~np.isfinite(theta)).sum())
    if not finite(buffers):
        sent = (buffers == before.buffers) | (np.isnan(buffers) & np.isnan(before.buffers))
        wrong["buffers"] = int((~np.isfinite(buffers) & ~sent).sum())
    for name, count in wrong.items():
        if count:
            raise FedgroupError(f"{name} holds {count} NaN or infinite values")


def _examples(value: Any) -> int:
    """Return the sample count that a reply names; refuse what is no positive whole number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise FedgroupError(f"num-examples is {value!r}, expected a positive number")
    if value <= 0 or value != int(value):
        raise FedgroupError(f"num-examples is {value!r}, expected a positive whole number")
    return int(value)


def _groups(value: Any) -> tuple[int, ...]:
    """Return the samples per group that a reply names; refuse what are no counts."""
    counts = value if isinstance(value, list | tuple) else [value]
    if not all(type(n) in (int, float) and 0 <= n < math.inf and n == int(n) for n in counts):
        raise FedgroupError(f"groups is {value!r}, expected counts of samples")
    return tuple(int(n) for n in counts)


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and 0 <= value < math.inf else 0.0
