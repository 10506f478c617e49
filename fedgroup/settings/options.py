"""The `options` setting of components that wrap someone else's class: its arguments, by name.

In YAML a mapping, `options: {alpha: 0.5}`; pairs, `options: [[alpha, 0.5]]`, are read too. A
component keeps (name, value) pairs, because it must be hashable, and a stored spec holds the pairs.
"""

from collections.abc import Mapping
from typing import Any

from fedgroup.errors import FedgroupError

Pairs = tuple[tuple[str, Any], ...]
"""Options as a component keeps them: (name, value), lists as tuples."""
Options = dict[str, Any] | Pairs
"""Options as a user gives them."""


def freeze(options: Options) -> Pairs:
    """Return options as hashable pairs: a mapping sorted by name, pairs in the order they have.

    Raises FedgroupError where a value is a mapping, or two pairs have one name.
    """
    pairs = sorted(options.items()) if isinstance(options, Mapping) else options
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise FedgroupError(f"options name '{twice}' twice: keep one")
    return tuple((name, _frozen(name, value)) for name, value in pairs)


def thaw(options: Options) -> dict[str, Any]:
    """Return options as keyword arguments, tuples as lists."""
    return {name: _thawed(value) for name, value in dict(options).items()}


def _frozen(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        raise FedgroupError(f"options must be plain values or lists, got {name}: {value!r}")
    if isinstance(value, list | tuple):
        return tuple(_frozen(name, item) for item in value)
    return value


def _thawed(value: Any) -> Any:
    return [_thawed(item) for item in value] if isinstance(value, tuple) else value
