import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedgroup.errors import FedgroupError
from fedgroup.intervene import intervene

FOUND = np.array([True, True, False, False])
MEMBERS = np.array([True, False, True, False])


def test_by_hand() -> None:
    assert intervene(FOUND, MEMBERS, "standard").tolist() == [True, True, False, False]
    assert intervene(FOUND, MEMBERS, "ideal").tolist() == [False, True, False, False]
    assert intervene(FOUND, MEMBERS, "worst").tolist() == [True, True, True, False]


@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_ideal_within_standard_within_worst(pairs: list[tuple[bool, bool]]) -> None:
    found = np.array([pair[0] for pair in pairs], np.bool_)
    members = np.array([pair[1] for pair in pairs], np.bool_)
    ideal, standard, worst = (
        intervene(found, members, case) for case in ("ideal", "standard", "worst")
    )
    assert np.array_equal(standard, found)
    assert not (ideal & ~standard).any() and not (standard & ~worst).any()
    assert not (ideal & members).any() and (worst[members]).all()
    assert np.array_equal(ideal[~members], worst[~members])


def test_the_result_is_a_new_array() -> None:
    result = intervene(FOUND, MEMBERS, "standard")
    result[:] = False
    assert FOUND.sum() == 2


def test_bad_input_is_refused() -> None:
    with pytest.raises(FedgroupError, match=r"no case called 'idael'; did you mean 'ideal'\?"):
        intervene(FOUND, MEMBERS, "idael")  # type: ignore[arg-type]
    with pytest.raises(FedgroupError, match="found marks 4 samples and members 3"):
        intervene(FOUND, MEMBERS[:3], "ideal")
    with pytest.raises(FedgroupError, match="members must be a flat boolean mask.*int64"):
        intervene(FOUND, np.array([0, 2]), "ideal")  # type: ignore[arg-type]
