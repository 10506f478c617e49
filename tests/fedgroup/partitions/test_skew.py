from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedgroup.errors import FedgroupError
from fedgroup.partitions.partition import group_table
from fedgroup.partitions.skew import Dirichlet, Pathological, SizeSkew
from tests.fedgroup.partitions.samples import COUNTS, TRAIN, data


@pytest.mark.parametrize("over", ["group", "label"])
def test_dirichlet_alpha_goes_from_skewed_to_even(over: Any) -> None:
    def skew(alpha: float) -> float:
        table = group_table(Dirichlet(10, alpha, over).assign(TRAIN, 0), TRAIN)
        return float((table[:, 0] / table[:, 0].sum()).std())

    assert skew(0.3) > 3 * skew(30.0)
    sizes = [len(part) for part in Dirichlet(10, 1.0, over, min_samples=100).assign(TRAIN, 0)]
    assert min(sizes) >= 100


@settings(max_examples=60, deadline=None)
@given(counts=COUNTS, clients=st.integers(1, 12), held=st.integers(1, 4), seed=st.integers(0, 5))
def test_pathological_never_exceeds_its_groups(
    counts: tuple[int, ...], clients: int, held: int, seed: int
) -> None:
    train = data(counts)
    kinds = sum(count > 0 for count in counts)
    scheme = Pathological(clients, held)
    if clients > len(train) or held > kinds or clients * held < kinds:
        with pytest.raises(FedgroupError):
            scheme.assign(train, seed)
        return
    try:
        parts = scheme.assign(train, seed)
    except (
        FedgroupError
    ) as error:  # a group smaller than its holders leaves some of them with nothing
        assert "got no samples" in str(error)
        assert min(count for count in counts if count) < clients
        return
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(train)))
    assert ((group_table(parts, train) > 0).sum(1) <= held).all()


def test_pathological_with_two_clients_deals_two_groups_to_each() -> None:
    table = group_table(Pathological(clients=2, per_client=2).assign(TRAIN, 0), TRAIN)
    assert ((table > 0).sum(1) == 2).all()


def test_pathological_clients_hold_few_groups() -> None:
    table = group_table(Pathological(per_client=2).assign(TRAIN, 0), TRAIN)
    assert ((table > 0).sum(1) == 2).all()


@settings(max_examples=60, deadline=None)
@given(
    samples=st.integers(1, 300),
    clients=st.integers(1, 20),
    exponent=st.floats(0.0, 4.0),
    least=st.integers(1, 5),
    seed=st.integers(0, 5),
)
def test_size_skew_properties(
    samples: int, clients: int, exponent: float, least: int, seed: int
) -> None:
    scheme = SizeSkew(clients, exponent, least)
    if clients * least > samples:
        with pytest.raises(FedgroupError, match="need more than the"):
            scheme.assign(data((samples, 0, 0, 0)), seed)
        return
    parts = scheme.assign(data((samples, 0, 0, 0)), seed)
    sizes = sorted((len(part) for part in parts), reverse=True)
    assert sizes == scheme.sizes(samples).tolist()
    assert sum(sizes) == samples and sizes[-1] >= least
    if exponent == 0:
        assert sizes[0] - sizes[-1] <= 1


def test_size_skew_by_hand() -> None:
    """Shares 1 : 1/2 : 1/3 : 1/4 of 21 left after one each: 10.08, 5.04, 3.36, 2.52 -> 10, 5, 3, 3."""
    assert SizeSkew(clients=4).sizes(25).tolist() == [11, 6, 4, 4]
    assert SizeSkew(clients=4, min_samples=6).sizes(25).tolist() == [7, 6, 6, 6]
    train = data((25, 0, 0, 0))
    first = {
        int(np.argmax([len(p) for p in SizeSkew(4).assign(train, seed)])) for seed in range(20)
    }
    assert first == {0, 1, 2, 3}  # the largest client is drawn, not always client 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Dirichlet(alpha=0.0), "alpha must be positive"),
        (lambda: Dirichlet(alpha=float("nan")), "alpha must be positive"),
        (lambda: Dirichlet(min_samples=0), "min_samples must be at least 1"),
        (lambda: SizeSkew(exponent=-1.0), "exponent must be at least 0"),
        (lambda: SizeSkew(min_samples=0), "min_samples must be at least 1"),
        (lambda: SizeSkew(clients=0), "clients must be at least 1"),
        (
            lambda: Pathological(clients=3, per_client=1).assign(TRAIN, 0),
            "cannot cover all 4.*at least 2",
        ),
        (lambda: Dirichlet(alpha=0.001).assign(TRAIN, 0), "raise alpha"),
        (lambda: Dirichlet(min_samples=100).assign(TRAIN, 0), "need more than the 4795"),
        (lambda: Pathological(per_client=5).assign(TRAIN, 0), "per_client 5 exceeds the 4 groups"),
        (lambda: Pathological(clients=2, per_client=0), "per_client must be at least 1"),
    ],
)
def test_refusals(make: Any, words: str) -> None:
    with pytest.raises(FedgroupError, match=words):
        make()
