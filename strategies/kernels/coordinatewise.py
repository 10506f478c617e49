"""Coordinate-wise kernels over a list of client vectors, which are never stacked.

Each takes N float32 vectors (D,) and returns one new vector (D,). Same bits for any chunk size and
thread count; median and trimmed mean also for any client order (but for the sign of zero). A NaN in
any client reaches the output. Infinities order correctly. Ranks are selected by comparator networks
over chunks that fit into the cache (sorting_networks.py), by a chunked sort above MAX_WIRES
clients.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from fedgroup.errors import FedgroupError
from strategies.aggregator import Vector
from strategies.kernels.chunks import BLOCK, Rows, check_vectors, for_chunks
from strategies.kernels.sorting_networks import MAX_WIRES, program

Finish = Callable[[list[Vector], Vector], None]
"""Writes one chunk of the result, made of the values of the wanted ranks, ascending."""


def median(
    clients: Sequence[Vector], *, chunk: int | None = None, threads: int | None = None
) -> Vector:
    """Take the midpoint median per coordinate, bitwise as np.median.

    For even N the two middle values are added and halved as np.median does. Only where that sum
    overflows although both values are finite (near 3e38), 0.5*a + 0.5*b is used: np.median gives
    inf.

    Args:
        clients: N vectors (D,) float32.
        chunk: Values per chunk; None: what fits into the cache.
        threads: Threads; None: see `chunks.num_threads`.

    Returns:
        The medians, (D,) float32.
    """
    n = len(clients)
    ranks = range((n - 1) // 2, n // 2 + 1)
    return ordered(clients, ranks, _midpoint, chunk=chunk, threads=threads)


def trimmed_mean(
    clients: Sequence[Vector], trim: int, *, chunk: int | None = None, threads: int | None = None
) -> Vector:
    """Average the ranks trim..N-trim-1 per coordinate, added ascending in float32.

    Args:
        clients: N vectors (D,) float32.
        trim: Values dropped at each end.
        chunk: Values per chunk; None: what fits into the cache.
        threads: Threads; None: see `chunks.num_threads`.

    Returns:
        The trimmed means, (D,) float32.

    Raises:
        FedgroupError: N is below 2 * trim + 1.
    """
    n = len(clients)
    if trim < 0 or n < 2 * trim + 1:
        raise FedgroupError(
            f"cannot trim {trim} per side of {n} clients: needs at least {2 * trim + 1}"
        )
    return ordered(clients, range(trim, n - trim), _ascending_mean, chunk=chunk, threads=threads)


def survival(
    clients: Sequence[Vector],
    low: int,
    high: int,
    *,
    chunk: int | None = None,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Count how many of the values between two ranks each client gives.

    A client's value counts on a coordinate where it lies between the values of those two ranks, so
    tied clients all count.

    Args:
        clients: N vectors (D,) float32.
        low: Lower rank, from 0.
        high: Higher rank.
        chunk: Values per chunk; None: what fits into the cache.
        threads: Threads; None: see `chunks.num_threads`.

    Returns:
        Shares (N,) that sum to 1.
    """
    n = len(clients)
    counts = np.zeros(n)
    size = check_vectors(clients)
    ranks = (low, high) if low < high else (low,)
    step = chunk or BLOCK
    for start in range(0, size, step):
        part = [client[start : start + step] for client in clients]
        bounds = [ordered(part, range(rank, rank + 1), _first, threads=threads) for rank in ranks]
        for i, values in enumerate(part):
            counts[i] += np.count_nonzero((values >= bounds[0]) & (values <= bounds[-1]))
    return counts / counts.sum() if counts.sum() else np.full(n, 1 / n)


def _first(values: list[Vector], out: Vector) -> None:
    out[:] = values[0]


def ordered(
    clients: Sequence[Vector],
    ranks: range,
    finish: Finish,
    *,
    chunk: int | None = None,
    threads: int | None = None,
) -> Vector:
    """Select ranks per coordinate and combine them, chunk by chunk.

    Args:
        clients: N vectors (D,) float32.
        ranks: The wanted ranks, from 0.
        finish: Combines the values of these ranks.
        chunk: Values per chunk; None: what fits into the cache.
        threads: Threads; None: see `chunks.num_threads`.

    Returns:
        The combined values, (D,) float32.
    """
    size = check_vectors(clients)
    out = np.empty(size, dtype=np.float32)
    if len(clients) > MAX_WIRES:
        return _sorted(clients, ranks, finish, out, chunk, threads)
    code = program(len(clients), tuple(ranks))

    def work(low: int, high: int, scratch: Rows) -> None:
        operands = [client[low:high] for client in clients] + list(scratch)
        for is_max, a, b, target in code.steps:
            (np.maximum if is_max else np.minimum)(operands[a], operands[b], out=operands[target])
        finish([operands[output] for output in code.outputs], out[low:high])

    for_chunks(size, work, code.registers, chunk=chunk, threads=threads)
    return out


def _sorted(
    clients: Sequence[Vector],
    ranks: range,
    finish: Finish,
    out: Vector,
    chunk: int | None,
    threads: int | None,
) -> Vector:
    """Do the same for large cohorts: sort each chunk; where a NaN is, it sorts last."""

    def work(low: int, high: int, scratch: Rows) -> None:
        for row, client in zip(scratch, clients, strict=True):
            row[:] = client[low:high]
        scratch.sort(axis=0)
        finish([scratch[rank] for rank in ranks], out[low:high])
        out[low:high][np.isnan(scratch[-1])] = np.nan

    for_chunks(len(out), work, len(clients), chunk=chunk, threads=threads)
    return out


def _midpoint(values: list[Vector], out: Vector) -> None:
    low, high = values[0], values[-1]
    if len(values) == 1:
        out[:] = low
        return
    try:
        with np.errstate(over="raise"):
            np.add(low, high, out=out)
    except FloatingPointError:
        np.add(low, high, out=out)
        lost = np.isinf(out) & np.isfinite(low) & np.isfinite(high)
        np.multiply(out, np.float32(0.5), out=out)
        out[lost] = np.float32(0.5) * low[lost] + np.float32(0.5) * high[lost]
        return
    np.multiply(out, np.float32(0.5), out=out)


def _ascending_mean(values: list[Vector], out: Vector) -> None:
    out[:] = values[0]
    for value in values[1:]:
        np.add(out, value, out=out)
    np.divide(out, np.float32(len(values)), out=out)


def mean(
    clients: Sequence[Vector],
    shares: NDArray[np.float64] | None = None,
    *,
    chunk: int | None = None,
    threads: int | None = None,
) -> Vector:
    """Average in client order.

    Plain: a float32 running sum, then one division by N. With shares: a float32 running sum of
    float32(share) * vector.

    Args:
        clients: N vectors (D,) float32.
        shares: Weights (N,) that sum to 1; None: all equal.
        chunk: Values per chunk; None: what fits into the cache.
        threads: Threads; None: see `chunks.num_threads`.

    Returns:
        The mean, (D,) float32.
    """
    size = check_vectors(clients)
    out = np.empty(size, dtype=np.float32)
    scales = None if shares is None else shares.astype(np.float32)

    def plain(low: int, high: int, _: Rows) -> None:
        total = out[low:high]
        total[:] = clients[0][low:high]
        for client in clients[1:]:
            np.add(total, client[low:high], out=total)
        np.divide(total, np.float32(len(clients)), out=total)

    def weighted(low: int, high: int, scratch: Rows) -> None:
        assert scales is not None
        total = out[low:high]
        np.multiply(clients[0][low:high], scales[0], out=total)
        for client, scale in zip(clients[1:], scales[1:], strict=True):
            np.multiply(client[low:high], scale, out=scratch[0])
            np.add(total, scratch[0], out=total)

    for_chunks(size, plain if shares is None else weighted, 1, chunk=chunk, threads=threads)
    return out
