"""Results kept by settings: of any type, and 1, 1.0 and True are three."""

from dataclasses import dataclass, field

import pytest

from fedgroup.settings.settings_cache import cached_by_settings, settings_key


@dataclass(frozen=True)
class Listed:
    sizes: list[int] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Other(Listed):
    pass


def test_equal_settings_share_one_result_and_others_do_not() -> None:
    calls: list[object] = []

    @cached_by_settings(maxsize=8)
    def use(component: object, scale: float = 1.0) -> int:
        calls.append(component)
        return len(calls)

    assert use(Listed([1], {"a": 1.0, "b": 2.0})) == 1
    assert use(Listed([1], {"b": 2.0, "a": 1.0})) == 1  # a mapping has no order
    assert use(Listed([2], {"a": 1.0, "b": 2.0})) == 2
    assert use(Other([1], {"a": 1.0, "b": 2.0})) == 3
    assert use(Listed([1], {"a": 1.0, "b": 2.0}), scale=2.0) == 4
    use.cache_clear()
    assert use(Listed([1], {"a": 1.0, "b": 2.0})) == 5


def test_only_the_last_ones_are_kept() -> None:
    calls: list[int] = []

    @cached_by_settings(maxsize=2)
    def use(number: int) -> None:
        calls.append(number)

    for number in (1, 2, 1, 3, 1, 2):
        use(number)
    assert calls == [1, 2, 3, 2]


@pytest.mark.parametrize(
    ("one", "two"),
    [(1, 1.0), (1, True), ([1], [1.0]), ({"a": 0}, {"a": False}), ([[1], 2], [1, [2]]), ("1", 1)],
)
def test_settings_that_python_calls_equal_stay_apart(one: object, two: object) -> None:
    assert settings_key(one) != settings_key(two)


@pytest.mark.parametrize(
    ("one", "two"), [([1, [2]], (1, (2,))), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), ({1, 2}, {2, 1})]
)
def test_what_a_spec_writes_alike_is_alike(one: object, two: object) -> None:
    assert settings_key(one) == settings_key(two)
    assert hash(settings_key(one)) == hash(settings_key(two))
