"""Walking over long vectors in cache-sized chunks on a few threads.

numpy releases the interpreter lock inside its loops, so plain threads share the work. Elementwise
kernels give the same bits for any chunk size and thread count; reductions use blocks of one fixed
size whose partial results are added in order, so they do too.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fedgroup.device import cores
from fedgroup.errors import FedgroupError
from strategies.aggregator import Vector

T = TypeVar("T")
Rows = NDArray[Any]
"""Scratch memory of a thread: (rows, values of a chunk)."""
Work = Callable[[int, int, Rows], None]
"""Works on the values low..high with its scratch memory."""

BLOCK = 65_536
"""Values per partial result of a reduction; fixed, because it decides the rounding."""

_CACHE_BYTES = 3_000_000
_MIN_CHUNK, _MAX_CHUNK = 16_384, 65_536


def num_threads(threads: int | None = None) -> int:
    """Return the threads to use: those asked for, else two, or one on a single core."""
    if threads is not None:
        return max(1, threads)
    return min(2, cores())


def for_chunks(
    size: int,
    work: Work,
    rows: int,
    *,
    chunk: int | None = None,
    threads: int | None = None,
    dtype: type[np.floating[Any]] = np.float32,
) -> None:
    """Call work(low, high, scratch) for chunks of 0..size, on a few threads.

    Args:
        size: Length of the vectors.
        work: What to do with a chunk; it writes to places of its own.
        rows: Rows of scratch memory it needs.
        chunk: Values per chunk; None: what fits into the cache.
        threads: Threads; None: see `num_threads`.
        dtype: Type of the scratch memory.
    """
    step = chunk or max(_MIN_CHUNK, min(_MAX_CHUNK, _CACHE_BYTES // (4 * max(rows, 1))))
    parts = min(num_threads(threads), max(1, size // step))
    bounds = [size * part // parts for part in range(parts + 1)]

    def run(part: int) -> None:
        begin, end = bounds[part], bounds[part + 1]
        scratch = np.empty((rows, min(step, end - begin)), dtype=dtype)
        with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
            for low in range(begin, end, step):
                high = min(low + step, end)
                work(low, high, scratch[:, : high - low])

    _spread(run, parts)


def map_blocks(size: int, work: Callable[[int, int], T], *, threads: int | None = None) -> list[T]:
    """Call work(low, high) for each block of BLOCK values, on a few threads.

    Args:
        size: Length of the vectors.
        work: Reduces a block to a result.
        threads: Threads; None: see `num_threads`.

    Returns:
        The results in the order of the blocks.
    """
    starts = range(0, size, BLOCK)
    results: list[T | None] = [None] * len(starts)
    parts = min(num_threads(threads), max(1, len(starts)))

    def run(part: int) -> None:
        with np.errstate(over="ignore", invalid="ignore", under="ignore", divide="ignore"):
            for index in range(part, len(starts), parts):
                results[index] = work(starts[index], min(starts[index] + BLOCK, size))

    _spread(run, parts)
    return [result for result in results if result is not None]


def _spread(run: Callable[[int], None], parts: int) -> None:
    if parts == 1:
        run(0)
        return
    with ThreadPoolExecutor(parts - 1) as pool:
        others = [pool.submit(run, part) for part in range(1, parts)]
        run(0)
        for other in others:
            other.result()


def check_vectors(vectors: Sequence[Vector], size: int | None = None) -> int:
    """Return the length of all vectors; refuse an empty list, other shapes and other dtypes."""
    if not len(vectors):
        raise FedgroupError("no client vectors to aggregate: a round needs at least one")
    size = len(vectors[0]) if size is None else size
    for index, vector in enumerate(vectors):
        if vector.dtype != np.float32 or vector.shape != (size,):
            raise FedgroupError(
                f"client vector {index} is {vector.dtype} {vector.shape}, expected float32 "
                f"({size},): flatten replies with the global model's layout"
            )
    return size
