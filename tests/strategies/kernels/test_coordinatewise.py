"""Median, trimmed mean and mean against numpy, bit for bit, on every cohort size and hostile values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from strategies.kernels import coordinatewise
from tests.strategies.kernels.stacks import (
    SIZES,
    VALUES,
    hostile,
    reference_median,
    reference_trim,
    same,
)


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


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 30), seed=st.integers(0, 3), ties=st.booleans())
def test_survival_equals_plain_counting(n: int, seed: int, ties: bool) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(0, 1, (n, 300)).astype(np.float32)
    if ties:
        values = np.round(values * 2) / np.float32(2)
    low, high = (n - 1) // 2, n // 2
    ranked = np.sort(values, 0)
    inside = (values >= ranked[low]) & (values <= ranked[high])
    shares = coordinatewise.survival(list(values), low, high, chunk=64)
    assert np.allclose(shares, inside.sum(1) / inside.sum())
