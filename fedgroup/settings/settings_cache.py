"""Remember what a function returned for equal settings, of any type: lists and mappings too.

A component of a user's may hold a list or a mapping, which Python cannot hash; and for Python
1 == 1.0 == True, although as settings they differ.
"""

import dataclasses
from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def settings_key(value: Any) -> Hashable:
    """Return what is equal for equal settings alone: types and values, down to the leaves."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (settings_key(getattr(value, f.name)) for f in dataclasses.fields(value))
        return (type(value), *fields)
    if isinstance(value, Mapping):
        return (dict, frozenset((key, settings_key(item)) for key, item in value.items()))
    if isinstance(value, list | tuple):
        return (list, *map(settings_key, value))
    if isinstance(value, set | frozenset):
        return (set, frozenset(map(settings_key, value)))
    return (type(value), value)


class _Call:
    """Arguments of a call, equal to those of another where all settings are."""

    __slots__ = ("args", "key", "kwargs")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args, self.kwargs = args, kwargs
        self.key = (settings_key(args), settings_key(kwargs))

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Call) and self.key == other.key


class CachedFunction(Generic[P, R]):
    """A function that remembers what it returned for the settings it met last."""

    def __init__(self, function: Callable[P, R], maxsize: int) -> None:
        self.__doc__ = function.__doc__

        @lru_cache(maxsize)
        def remembered(call: _Call) -> R:
            return function(*call.args, **call.kwargs)

        self._remembered = remembered

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the function returns; for equal settings the same object."""
        return self._remembered(_Call(args, kwargs))

    def cache_clear(self) -> None:
        """Forget everything."""
        self._remembered.cache_clear()


def cached_by_settings(maxsize: int) -> Callable[[Callable[P, R]], CachedFunction[P, R]]:
    """Return a decorator that keeps the `maxsize` results of a function that were used last."""
    return lambda function: CachedFunction(function, maxsize)
