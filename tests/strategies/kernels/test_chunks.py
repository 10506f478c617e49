"""Walking over long vectors: threads, errors, inputs."""

import numpy as np
import pytest

from fedgroup.errors import FedgroupError
from strategies.kernels import coordinatewise, geometry, top_k
from strategies.kernels.chunks import BLOCK, for_chunks, map_blocks
from tests.strategies.kernels.stacks import hostile, same


def test_several_blocks_on_several_threads() -> None:
    """Vectors long enough for the default chunks and two threads."""
    rng = np.random.default_rng(0)
    stack = rng.standard_normal((5, 3 * BLOCK + 11)).astype(np.float32)
    same(coordinatewise.median(list(stack), threads=2), np.median(stack, axis=0))
    theta = stack[0]
    for threads in (1, 2, 3):
        np.testing.assert_array_equal(
            geometry.gram(list(stack), theta, threads=threads),
            geometry.gram(list(stack), theta, threads=1),
        )
        np.testing.assert_array_equal(
            geometry.norms(list(stack), theta, threads=threads), geometry.norms(list(stack), theta)
        )
        np.testing.assert_array_equal(
            top_k.top_k(stack[0], 999, threads=threads), top_k.top_k(stack[0], 999, threads=1)
        )


def test_inputs_are_not_written_to() -> None:
    stack = hostile(10, 0)
    stack.setflags(write=False)
    for result in (
        coordinatewise.median(list(stack)),
        coordinatewise.trimmed_mean(list(stack), 2),
        coordinatewise.mean(list(stack)),
        coordinatewise.mean(list(stack), np.full(10, 0.1)),
        geometry.combine(stack[0], list(stack), np.full(10, 0.1)),
    ):
        assert result.flags.writeable
        assert not np.shares_memory(result, stack)


def test_an_error_in_a_thread_is_raised_here() -> None:
    def fail(low: int, high: int, scratch: np.ndarray) -> None:
        if low:
            raise FedgroupError(f"at {low}")

    with pytest.raises(FedgroupError, match="at"):
        for_chunks(100, fail, 0, chunk=10, threads=2)
    assert map_blocks(BLOCK + 5, lambda low, high: high - low, threads=2) == [BLOCK, 5]
