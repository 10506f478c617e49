"""Kernels against numpy, bit for bit, on every cohort size and on hostile values."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedgroup.errors import FedgroupError
from strategies.kernels import coordinatewise, geometry, top_k
from strategies.kernels.chunks import BLOCK, for_chunks, map_blocks
from strategies.kernels.sorting_networks import MAX_WIRES, comparators, program, prune

TINY = float(np.finfo(np.float32).smallest_subnormal)
HOSTILE = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    1.5,
    np.inf,
    -np.inf,
    TINY,
    -TINY,
    5 * TINY,
    1e38,
    -1e38,
    3e38,
    -3e38,
    1e-30,
]
VALUES = np.array(HOSTILE, np.float32)
SIZES = [*range(1, MAX_WIRES + 1), MAX_WIRES + 1, 100]


def hostile(n: int, seed: int, columns: int = 61) -> np.ndarray:
    """Half hostile values with many ties, half ordinary ones; (n, columns)."""
    rng = np.random.default_rng(seed)
    stack = rng.standard_normal((n, columns)).astype(np.float32)
    odd = rng.random((n, columns)) < rng.random(columns)
    stack[odd] = rng.choice(VALUES, size=int(odd.sum()))
    return stack


def reference_median(stack: np.ndarray) -> np.ndarray:
    """np.median, but for the finite midpoint where its half-sum overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        expected = np.median(stack, axis=0)
        ranked = np.sort(stack, axis=0)
        low, high = ranked[(len(stack) - 1) // 2], ranked[len(stack) // 2]
        lost = np.isinf(expected) & np.isfinite(low) & np.isfinite(high)
        return np.where(lost, np.float32(0.5) * low + np.float32(0.5) * high, expected)


def reference_trim(stack: np.ndarray, trim: int) -> np.ndarray:
    ranked = np.sort(stack, axis=0)[trim : len(stack) - trim]
    with np.errstate(over="ignore", invalid="ignore"):
        total = ranked[0].copy()
        for row in ranked[1:]:
            total += row
        total /= np.float32(len(ranked))
    total[np.isnan(stack).any(axis=0)] = np.nan
    return total


def same(left: np.ndarray, right: np.ndarray) -> None:
    np.testing.assert_array_equal(left, right)
    assert left.dtype == right.dtype == np.float32


# --- networks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("wires", range(1, 13))
def test_networks_sort_every_zero_one_input(wires: int) -> None:
    """The zero-one principle: a network that sorts all 0/1 inputs sorts everything."""
    bits = np.array(list(itertools.product([0, 1], repeat=wires))).T
    for i, j in comparators(wires):
        assert i < j
        bits[i], bits[j] = np.minimum(bits[i], bits[j]), np.maximum(bits[i], bits[j])
    assert (np.diff(bits, axis=0) >= 0).all()


def test_ten_wires_are_optimal_and_pruned_as_in_the_spec() -> None:
    assert len(comparators(10)) == 29
    assert sum(low + high for *_, low, high in prune(comparators(10), (4, 5))) == 50
    assert len(program(10, tuple(range(2, 8))).steps) == 54


@pytest.mark.parametrize("wires", [2, 5, 10, 33, 64])
def test_programs_never_write_an_input_and_need_few_registers(wires: int) -> None:
    code = program(wires, ((wires - 1) // 2, wires // 2))
    assert all(target >= wires for *_, target in code.steps)
    assert code.registers <= wires + 1


# --- median and trimmed mean -----------------------------------------------------------------------


@pytest.mark.parametrize("n", SIZES)
def test_bitwise_numpy_for_every_cohort_size(n: int) -> None:
    for seed in range(3):
        stack = hostile(n, seed)
        same(coordinatewise.median(list(stack)), reference_median(stack))
        for trim in {0, 1, 2, n // 5, (n - 1) // 2}:
            if n >= 2 * trim + 1:
                same(coordinatewise.trimmed_mean(list(stack), trim), reference_trim(stack, trim))


@settings(deadline=None)
@given(st.integers(1, 70), st.data())
def test_bitwise_numpy_on_drawn_values(n: int, data: st.DataObject) -> None:
    drawn = st.one_of(
        st.sampled_from([float(value) for value in VALUES]), st.floats(width=32, allow_nan=False)
    )
    stack = data.draw(hnp.arrays(np.float32, (n, 5), elements=drawn))
    trim = data.draw(st.integers(0, (n - 1) // 2))
    same(coordinatewise.median(list(stack)), reference_median(stack))
    same(coordinatewise.trimmed_mean(list(stack), trim), reference_trim(stack, trim))


@pytest.mark.parametrize("n", SIZES)
def test_a_nan_in_any_client_reaches_the_output(n: int) -> None:
    for seed in range(2):
        stack = hostile(n, seed, columns=n)
        np.fill_diagonal(stack, np.nan)  # client i spoils coordinate i
        for trim in {0, (n - 1) // 2}:
            assert np.isnan(coordinatewise.trimmed_mean(list(stack), trim)).all()
        assert np.isnan(coordinatewise.median(list(stack))).all()
        assert np.isnan(coordinatewise.mean(list(stack))).all()


@pytest.mark.parametrize("n", [2, 7, 10, 31, 64, 66])
def test_chunks_threads_and_client_order_do_not_change_bits(n: int) -> None:
    stack = hostile(n, seed=n, columns=1003)
    trim = (n - 1) // 4
    medians, trims, means = [], [], []
    for chunk, threads in [(1003, 1), (1, 3), (7, 1), (64, 2), (500, 4), (5000, 2)]:
        order = np.random.default_rng(chunk).permutation(n)
        if chunk > 1 or n < 20:
            medians.append(coordinatewise.median(list(stack[order]), chunk=chunk, threads=threads))
            trims.append(
                coordinatewise.trimmed_mean(list(stack[order]), trim, chunk=chunk, threads=threads)
            )
            means.append(coordinatewise.mean(list(stack), chunk=chunk, threads=threads))
    for results in (medians, trims, means):
        for result in results[1:]:
            same(result, results[0])


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


# --- mean ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 10, 65])
def test_mean_is_the_running_float32_sum(n: int) -> None:
    stack = np.random.default_rng(n).standard_normal((n, 999)).astype(np.float32)
    total = stack[0].copy()
    for row in stack[1:]:
        total = total + row
    same(coordinatewise.mean(list(stack), chunk=100), total / np.float32(n))
    shares = np.arange(1, n + 1) / (n * (n + 1) / 2)
    total = stack[0] * np.float32(shares[0])
    for row, share in zip(stack[1:], shares[1:], strict=True):
        total = total + row * np.float32(share)
    same(coordinatewise.mean(list(stack), shares, chunk=100), total)


# --- top-k -----------------------------------------------------------------------------------------


def reference_top(values: np.ndarray, k: int) -> np.ndarray:
    return np.sort(np.argsort(-np.abs(values), kind="stable")[:k])


@settings(deadline=None)
@given(
    hnp.arrays(
        np.float32,
        st.integers(1, 700),
        elements=st.one_of(st.sampled_from([float(v) for v in VALUES]), st.floats(-4, 4, width=32)),
    ),
    st.data(),
)
def test_top_k_is_exact_with_ties_to_the_lowest_index(
    values: np.ndarray, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, len(values)))
    np.testing.assert_array_equal(top_k.top_k(values, k), reference_top(values, k))


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(5000),
        np.full(5000, -2.0),
        np.r_[np.zeros(4990), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
        np.where(
            np.arange(5000) % 64 == 0, 1e6, np.arange(5000)
        ),  # the sample sees only the huge ones
        np.where(np.arange(5000) % 64 == 0, 0.0, 1.0),  # the sample sees only zeros
        np.where(np.arange(5000) % 64 == 0, np.inf, 1.0),
        np.geomspace(1e-38, 1e38, 5000),
    ],
)
def test_top_k_survives_misleading_samples(values: np.ndarray) -> None:
    values = values.astype(np.float32)
    for k in (1, 5, 64, 78, 79, 80, 500, 4999, 5000):
        np.testing.assert_array_equal(top_k.top_k(values, k), reference_top(values, k))


def test_top_k_refuses_nan_and_impossible_counts() -> None:
    with pytest.raises(FedgroupError, match="NaN"):
        top_k.top_k(np.array([1, np.nan, 2], np.float32), 1)
    for k in (0, 4):
        with pytest.raises(FedgroupError, match=r"1\.\.3"):
            top_k.top_k(np.ones(3, np.float32), k)


# --- geometry ----------------------------------------------------------------------------------------


def test_distances_on_updates_are_right_where_raw_weights_cancel() -> None:
    """Weights of scale 0.02, updates of 1e-4: Flower's raw-weight Gram is wrong by up to 23%."""
    rng = np.random.default_rng(1)
    theta = (0.02 * rng.standard_normal(200_000)).astype(np.float32)
    clients = [
        theta + (1e-4 * rng.standard_normal(len(theta))).astype(np.float32) for _ in range(6)
    ]
    exact = np.array([[np.sum((a.astype(np.float64) - b) ** 2) for b in clients] for a in clients])
    ours = geometry.squared_distances(geometry.gram(clients, theta))
    np.testing.assert_allclose(ours, exact, rtol=1e-6)
    assert (np.diagonal(ours) == 0).all()


def test_norms_and_combination_by_hand() -> None:
    theta = np.array([1, 1], np.float32)
    clients = [np.array([4, 5], np.float32), np.array([1, 0], np.float32)]
    np.testing.assert_allclose(geometry.norms(clients, theta), [5, 1])
    np.testing.assert_allclose(geometry.gram(clients, theta), [[25, -4], [-4, 1]])
    np.testing.assert_array_equal(
        geometry.combine(theta, clients, np.array([0.5, 2.0])), [2.5, 1.0]
    )


def test_a_client_with_coefficient_zero_cannot_leak() -> None:
    theta = np.zeros(3, np.float32)
    clients = [np.ones(3, np.float32), np.full(3, np.nan, np.float32)]
    np.testing.assert_array_equal(
        geometry.combine(theta, clients, np.array([1.0, 0.0])), np.ones(3)
    )
