"""Lengths, inner products and affine combinations of client updates d_i = w_i - theta.

Everything that rules such as Krum or the geometric median ask about N vectors of length D is in the
N x N Gram matrix of the updates: one pass over the data, then small algebra in float64. Products
are taken on updates, never on raw weights, where cancellation destroys them: for weights of scale
0.02 and updates of 1e-4, float32 distances from the Gram matrix of the weights are wrong by up to
23 %.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

from strategies.aggregator import Vector
from strategies.kernels.chunks import Rows, check_vectors, for_chunks, map_blocks

Matrix = NDArray[np.float64]


def norms(clients: Sequence[Vector], theta: Vector, *, threads: int | None = None) -> Matrix:
    """Measure the L2 norm of each update, accumulated in float64.

    Args:
        clients: N vectors (D,) float32.
        theta: What the updates start from, (D,) float32.
        threads: Threads; None: see `chunks.num_threads`.

    Returns:
        ||w_i - theta||, (N,) float64.
    """
    size = check_vectors(clients, len(theta))

    def squares(low: int, high: int) -> Matrix:
        wide = np.empty(high - low)
        sums = np.empty(len(clients))
        for index, client in enumerate(clients):
            wide[:] = client[low:high] - theta[low:high]
            sums[index] = wide @ wide
        return sums

    with _blas().limit(limits=1, user_api="blas"), np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(
            np.sqrt(_total(map_blocks(size, squares, threads=threads), (len(clients),)))
        )


def along(
    clients: Sequence[Vector], theta: Vector, after: Vector, *, threads: int | None = None
) -> tuple[Matrix, Matrix, float]:
    """Measure each update against the step that was taken, in one pass.

    There is no temporary of the vectors' size. Products of blocks are in float32, their sums in
    float64: good to about five digits, for the records.

    Args:
        clients: N vectors (D,) float32.
        theta: What the updates and the step start from, (D,) float32.
        after: Where the step ends, (D,) float32.
        threads: Threads; None: see `chunks.num_threads`.

    Returns:
        The norm of each update (N,), its inner product with the step (N,), both float64, and the
        norm of the step.
    """
    size = check_vectors(clients, len(theta))
    check_vectors([after], len(theta))

    def block(low: int, high: int) -> Matrix:
        step = after[low:high] - theta[low:high]
        delta = np.empty(high - low, np.float32)
        sums = np.empty((2, len(clients) + 1))
        for index, client in enumerate(clients):
            np.subtract(client[low:high], theta[low:high], out=delta)
            sums[:, index] = delta @ delta, delta @ step
        sums[:, -1] = step @ step
        return sums

    with _blas().limit(limits=1, user_api="blas"), np.errstate(invalid="ignore", over="ignore"):
        squares, products = _total(map_blocks(size, block, threads=threads), (2, len(clients) + 1))
    norms = np.sqrt(squares)
    return norms[:-1], products[:-1], float(norms[-1])


def gram(vectors: Sequence[Vector], centre: Vector, *, threads: int | None = None) -> Matrix:
    """Take all inner products of centred vectors, in float64.

    Args:
        vectors: N vectors (D,) float32.
        centre: What is subtracted from each, (D,) float32.
        threads: Threads; None: see `chunks.num_threads`.

    Returns:
        <v_i - centre, v_j - centre>, (N, N) float64.
    """
    size = check_vectors(vectors, len(centre))

    def block(low: int, high: int) -> Matrix:
        rows = np.empty((len(vectors), high - low))
        for row, vector in zip(rows, vectors, strict=True):
            row[:] = vector[low:high] - centre[low:high]
        return np.asarray(rows @ rows.T)

    with _blas().limit(limits=1, user_api="blas"):
        return _total(map_blocks(size, block, threads=threads), (len(vectors), len(vectors)))


@cache
def _blas() -> ThreadpoolController:
    """Control of the BLAS threads, which are held at one below our own.

    Both together fight for the same cores (50 x 1M on a busy machine: 3,000 ms against 300), and
    how many there are could change the last bits.
    """
    return ThreadpoolController()


def squared_distances(products: Matrix) -> Matrix:
    """Return squared distances from a Gram matrix, (N, N): g_ii + g_jj - 2 g_ij, never negative."""
    squares = np.diagonal(products)
    with np.errstate(invalid="ignore", over="ignore"):
        distances = np.maximum(squares[:, None] + squares[None, :] - 2 * products, 0.0)
    np.fill_diagonal(distances, np.where(np.isfinite(squares), 0.0, np.nan))
    return np.asarray(distances)


def combine(
    theta: Vector,
    clients: Sequence[Vector],
    coefficients: NDArray[np.float64],
    *,
    chunk: int | None = None,
    threads: int | None = None,
) -> Vector:
    """Combine updates: theta + sum_i a_i (w_i - theta), a float32 running sum in client order.

    A client whose coefficient is 0 is not read, so that a rejected vector cannot leak in.

    Args:
        theta: What the updates start from, (D,) float32.
        clients: N vectors w_i (D,) float32.
        coefficients: The a_i, (N,).
        chunk: Values per chunk; None: what fits into the cache.
        threads: Threads; None: see `chunks.num_threads`.

    Returns:
        The combination, (D,) float32.
    """
    size = check_vectors(clients, len(theta))
    used = [(c, np.float32(a)) for c, a in zip(clients, coefficients, strict=True) if a != 0]
    out = np.empty(size, dtype=np.float32)

    def work(low: int, high: int, scratch: Rows) -> None:
        total, delta = scratch
        total[:] = 0
        for client, scale in used:
            np.subtract(client[low:high], theta[low:high], out=delta)
            np.multiply(delta, scale, out=delta)
            np.add(total, delta, out=total)
        np.add(theta[low:high], total, out=out[low:high])

    for_chunks(size, work, 2, chunk=chunk, threads=threads)
    return out


def clip_scales(lengths: Matrix, bound: float) -> Matrix:
    """Return the factor min(1, bound / length) of each update, (N,) float64."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(lengths > bound, bound / lengths, 1.0)


def _total(parts: list[Matrix], shape: tuple[int, ...]) -> Matrix:
    total = np.zeros(shape)
    with np.errstate(invalid="ignore", over="ignore"):
        for part in parts:
            total += part
    return total
