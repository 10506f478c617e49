"""FedAvg, median and trimmed mean: parity cases, arithmetic by hand, laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fedgroup.errors import FedgroupError
from strategies.aggregator import Aggregator
from strategies.rules.fedavg import FedAvg
from strategies.rules.median import Median
from strategies.rules.trimmed_mean import TrimmedMean
from tests.strategies.cases import array, cases

ONES = np.ones(10)


def step(rule: Aggregator, stack: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    theta = np.zeros(stack.shape[1], np.float32)
    weights = np.ones(len(stack)) if weights is None else weights
    return rule.step(rule.init(theta), theta, list(stack), weights)[0]


def vec(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


# --- parity cases --------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [name for name in cases() if name.startswith("coord_n")])
def test_coordinatewise_cases_bitwise(case: str) -> None:
    stack = array(case, "X")
    np.testing.assert_array_equal(step(Median(), stack), array(case, "median"))
    for trim in (0, 1, 2):
        np.testing.assert_array_equal(step(TrimmedMean(trim), stack), array(case, f"trim{trim}"))


def test_cancel_case_is_not_sum_minus_extremes() -> None:
    result = step(TrimmedMean(2), array("cancel", "X"))
    np.testing.assert_array_equal(result, array("cancel", "trim2"))
    np.testing.assert_array_equal(step(Median(), array("cancel", "X")), array("cancel", "median"))
    wrong = array("cancel", "wrong_sum_minus_extremes")
    cosine = result @ wrong / np.linalg.norm(result) / np.linalg.norm(wrong)
    assert cosine == pytest.approx(cases()["cancel"]["cosine_of_wrong_answer"], rel=1e-5)


def test_reject_case_over_the_kept_clients() -> None:
    kept = array("reject", "X")[array("reject", "kept")]
    assert len(kept) == 8
    np.testing.assert_array_equal(step(Median(), kept), array("reject", "median"))
    np.testing.assert_array_equal(step(TrimmedMean(2), kept), array("reject", "trim2"))
    np.testing.assert_allclose(step(FedAvg(), kept), array("reject", "mean"), rtol=1e-6, atol=1e-9)


def test_too_few_clients_is_refused_and_trim_never_lowered() -> None:
    case = cases()["trim_too_small"]
    rule = TrimmedMean(case["k"])
    assert rule.min_clients() == 2 * case["k"] + 1
    with pytest.raises(FedgroupError, match="at least 5 clients, this round has 4"):
        step(rule, np.zeros((case["n"], 3), np.float32))


def test_a_count_trims_two_where_a_fraction_would_not() -> None:
    cuts = cases()["flower_beta_cut"]["n_to_cut"]
    for n in range(5, 21):
        stack = np.repeat(np.arange(n, dtype=np.float32)[:, None] ** 2, 2, axis=1)
        expected = np.mean(np.arange(2, n - 2) ** 2)
        assert step(TrimmedMean(2), stack) == pytest.approx(expected, rel=1e-6)
        if cuts[str(n)] != 2:
            wrong = np.mean(np.arange(cuts[str(n)], n - cuts[str(n)]) ** 2)
            assert wrong != pytest.approx(expected, rel=1e-6)


def test_median_overflow_gives_the_finite_midpoint() -> None:
    case = cases()["median_overflow"]
    expected = np.array(case["expected_if_overflow_safe"], np.float32)
    np.testing.assert_array_equal(step(Median(), np.array(case["X"], np.float32)), expected)


# --- by hand ---------------------------------------------------------------------------------------


def test_even_median_is_the_midpoint() -> None:
    assert step(Median(), np.array([[1], [10], [4], [2]], np.float32)) == [3.0]


def test_infinities_keep_their_order() -> None:
    inf = np.inf
    stack = np.array([[inf, -inf], [1, 1], [2, 2], [-inf, -inf], [inf, 3]], np.float32)
    np.testing.assert_array_equal(step(Median(), stack), vec(2, 1))
    np.testing.assert_array_equal(step(TrimmedMean(1), stack), vec(inf, -inf))


def test_fedavg_weighted_and_plain() -> None:
    stack = np.array([[0, 4], [8, 4]], np.float32)
    np.testing.assert_array_equal(step(FedAvg(), stack, np.array([1.0, 3.0])), vec(4, 4))
    np.testing.assert_array_equal(
        step(FedAvg(weighted=True), stack, np.array([1.0, 3.0])), vec(6, 4)
    )


@pytest.mark.parametrize("bad", [[0, 0], [1, np.nan], [np.inf, 1], [-1, 3], [1, 1, 1]])
def test_fedavg_refuses_unusable_weights(bad: list[float]) -> None:
    with pytest.raises(FedgroupError, match="weights"):
        step(FedAvg(weighted=True), np.zeros((2, 3), np.float32), np.array(bad))


def test_one_client_is_returned_bit_for_bit() -> None:
    lone = np.random.default_rng(0).standard_normal((1, 1000)).astype(np.float32)
    for rule in (FedAvg(), FedAvg(weighted=True), Median(), TrimmedMean(0)):
        np.testing.assert_array_equal(step(rule, lone, np.array([47.0])), lone[0])


def test_settings_are_checked() -> None:
    with pytest.raises(FedgroupError, match="trim is -1"):
        TrimmedMean(-1)
    with pytest.raises(FedgroupError, match="float64"):
        FedAvg().step({}, vec(0), [np.zeros(1)], np.ones(1))  # type: ignore[list-item]
    with pytest.raises(FedgroupError, match=r"\(2,\)"):
        Median().step({}, vec(0), [vec(1), vec(1, 2)], np.ones(2))


# --- laws --------------------------------------------------------------------------------------------

finite = st.floats(-1e6, 1e6, width=32)
stacks = st.integers(1, 12).flatmap(lambda n: hnp.arrays(np.float32, (n, 7), elements=finite))


@given(stacks, st.randoms(use_true_random=False))
def test_client_order_does_not_change_bits(stack: np.ndarray, random: object) -> None:
    order = list(range(len(stack)))
    random.shuffle(order)  # type: ignore[attr-defined]
    for trim in range((len(stack) - 1) // 2 + 1):
        rule = TrimmedMean(trim)
        np.testing.assert_array_equal(step(rule, stack), step(rule, stack[order]))
    np.testing.assert_array_equal(step(Median(), stack), step(Median(), stack[order]))


@given(stacks, st.integers(-3, 3))
def test_scaling_by_powers_of_two_and_negation_commute(stack: np.ndarray, power: int) -> None:
    stack = np.where(np.abs(stack) < 1e-30, np.float32(0), stack)  # no subnormals: they round
    factor = np.float32(2.0**power)
    np.testing.assert_array_equal(step(Median(), stack * factor), step(Median(), stack) * factor)
    np.testing.assert_array_equal(step(Median(), -stack), -step(Median(), stack))
    rule = TrimmedMean((len(stack) - 1) // 2)
    np.testing.assert_array_equal(step(rule, stack * factor), step(rule, stack) * factor)


@given(
    st.integers(1, 12).flatmap(
        lambda n: hnp.arrays(np.int32, (n, 5), elements=st.integers(-1000, 1000))
    )
)
def test_shift_commutes_where_floats_are_exact(stack: np.ndarray) -> None:
    # integers below 2^24 are exact in float32, so only the median's halves remain
    values = stack.astype(np.float32)
    np.testing.assert_array_equal(step(Median(), values + 512), step(Median(), values) + 512)
    rule = TrimmedMean((len(stack) - 1) // 2)
    np.testing.assert_array_equal(step(rule, values + 512), step(rule, values) + 512)


@given(stacks)
def test_trim_zero_is_the_mean_and_full_trim_the_median(stack: np.ndarray) -> None:
    n = len(stack)
    np.testing.assert_allclose(
        step(TrimmedMean(0), stack), stack.astype(np.float64).mean(axis=0), rtol=1e-5, atol=n * 0.2
    )
    if n % 2:
        np.testing.assert_array_equal(step(TrimmedMean(n // 2), stack), step(Median(), stack))


@given(stacks)
def test_output_lies_between_the_surviving_extremes(stack: np.ndarray) -> None:
    ranked = np.sort(stack, axis=0)
    n = len(stack)
    for trim in range((n - 1) // 2 + 1):
        result = step(TrimmedMean(trim), stack)
        slack = np.float32(n * 1e-7) * np.abs(ranked[trim : n - trim]).max(axis=0)
        assert (result >= ranked[trim] - slack).all()
        assert (result <= ranked[n - trim - 1] + slack).all()


@given(
    hnp.arrays(np.float32, (8, 6), elements=st.floats(-1, 1, width=32)),
    hnp.arrays(np.float32, (2, 6), elements=st.floats(-(2.0**126), 2.0**126, width=32)),
)
def test_as_many_attackers_as_the_trim_stay_inside_the_honest_range(
    honest: np.ndarray, bad: np.ndarray
) -> None:
    result = step(TrimmedMean(2), np.concatenate([honest, bad]))
    slack = np.float32(1e-6)
    assert (result >= honest.min(axis=0) - slack).all()
    assert (result <= honest.max(axis=0) + slack).all()
