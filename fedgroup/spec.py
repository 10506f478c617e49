"""Settings to frozen dataclasses and back.

A component (data set, model, partition, aggregation rule, ...) is a frozen dataclass whose fields
are its settings. In YAML it is chosen with `use:`, either a short name listed by its family or an
import path with a colon (`my_pkg.mod:Krum`), so outsiders register nothing. Types are validated by
pydantic with JSON semantics: no string is read as a number, no number as a bool.
"""

import dataclasses
import importlib
import json
import logging
import math
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from fedgroup.errors import FedgroupError, unknown
from fedgroup.guards.kinds import refuse_misplaced
from fedgroup.host.namesakes import hidden
from fedgroup.settings.settings_cache import settings_key

OURS = ("fedgroup", "strategies", "clients", "experiments")
"""Our packages: found first, whatever lies in the current folder."""
IMPORT_HINT = "is its folder on PYTHONPATH, its package installed?"
_LOG = logging.getLogger(__name__)

T = TypeVar("T")
Names = Mapping[str, str]
"""Components of a family: short name -> import path."""


class Component(Protocol):
    """What every component is: a frozen dataclass of settings."""

    __dataclass_fields__: ClassVar[dict[str, "dataclasses.Field[Any]"]]
    """Its settings, as every dataclass has them."""


def component(names: Names, default: str) -> Any:
    """Declare a dataclass field that holds a component of the family `names`."""
    return dataclasses.field(
        default_factory=lambda: resolve(names, default)(), metadata={"names": names}
    )


def resolve(names: Names, name: str) -> type[Any]:
    """Return the class behind a short name or an import path; refuse what is not a dataclass."""
    path = names.get(name, name)
    if ":" not in path:
        raise unknown("component", name, [*names, "my_pkg.mod:Class"])
    cls = imported(path)
    if path == name and names:
        refuse_misplaced(cls, path, imported(next(iter(names.values()))))
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
        raise FedgroupError(
            f"'{path}' is not a dataclass: a component is a frozen dataclass of its settings"
        )
    return cls


def imported(path: str) -> Any:
    """Return what stands behind an import path `module:Name`, also nested as `module:Outer.Inner`.

    Raises:
        FedgroupError: where the module or the name does not exist; its cause is the ImportError or
            the AttributeError.
    """
    module, _, name = path.partition(":")
    try:
        value: Any = importlib.import_module(module)
        for part in name.split("."):
            value = getattr(value, part)
    except ImportError as error:
        raise FedgroupError(
            f"cannot import '{path}': {error} ({_hidden_here(module) or IMPORT_HINT})"
        ) from error
    except AttributeError as error:
        hint = _hidden_here(module)
        raise FedgroupError(
            f"module '{module}' has no '{name}' (from '{path}'){f': {hint}' if hint else ''}"
        ) from error
    if module.partition(".")[0] not in OURS and _hidden_here(module):
        _LOG.warning("'%s' is not what lies here: %s", path, _hidden_here(module))
    return value


def _hidden_here(module: str) -> str:
    """Say what hides a module of the current folder; nothing where nothing does."""
    try:
        return hidden(module, Path.cwd())
    except OSError:  # the current folder is gone
        return ""


# --- mappings to dataclasses ----------------------------------------------------------------------


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint, config=ConfigDict(strict=True))


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)


def build(cls: Callable[..., T], values: Mapping[str, Any], where: str = "") -> T:
    """Build a dataclass from a mapping of its settings.

    Args:
        cls: The dataclass.
        values: Plain values by field name, mappings for nested dataclasses and components.
        where: Dotted path of `values` in the spec, for messages.

    Returns:
        The instance; fields that `values` leaves out have their defaults.

    Raises:
        FedgroupError: where a setting is unknown, has another type, or is refused by the dataclass.
    """
    if not isinstance(values, Mapping):
        raise FedgroupError(f"{where or 'the spec'} must be a mapping of settings, got {values!r}")
    declared = dataclasses.fields(cls)  # type: ignore[arg-type]
    fields = {field.name: field for field in declared if field.init}
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        path = f"{where}.{key}" if where else str(key)
        if key not in fields:
            raise unknown(f"setting in {where or 'the spec'}", key, fields)
        arguments[key] = _value(cls, fields[key], value, path)
    try:
        return cls(**arguments)
    except FedgroupError as error:
        raise FedgroupError(f"{where}: {error}" if where else str(error)) from error
    except TypeError as error:
        raise FedgroupError(f"{where or 'the spec'}: {error}") from error


def _value(cls: Any, field: "dataclasses.Field[Any]", value: Any, path: str) -> Any:
    names = field.metadata.get("names")
    if names is not None:
        return _component(cls, field, value, path)
    hint = _hints(cls)[field.name]
    if dataclasses.is_dataclass(hint):
        return build(hint, value, path)  # type: ignore[arg-type]
    if isinstance(value, float) and math.isnan(value):
        raise FedgroupError(f"{path}: nan is no value of a setting, write a number")
    try:
        return _adapter(hint).validate_json(json.dumps(value))
    except ValidationError as error:
        reason = error.errors()[-1]["msg"]
        raise FedgroupError(f"{path}: {reason[0].lower()}{reason[1:]}, got {value!r}") from error
    except TypeError as error:
        raise FedgroupError(f"{path}: {value!r} is not a plain value") from error


def _component(cls: Any, field: "dataclasses.Field[Any]", value: Any, path: str) -> Any:
    """Build the component of a field from its name, its settings, or both."""
    names = field.metadata["names"]
    if not isinstance(value, str | Mapping) or value == "":
        raise FedgroupError(
            f"{path} must name a component or hold its settings, got {value!r}: leave the key out "
            f"for the default"
        )
    settings = {"use": value} if isinstance(value, str) else dict(value)
    use = settings.pop("use", "")
    if not isinstance(use, str):
        raise FedgroupError(f"{path}.use must be a name or an import path, got {use!r}")
    if not use:
        use = short_name(names, type(getattr(cls(), field.name)))
    try:
        chosen = resolve(names, use)
    except FedgroupError as error:
        raise FedgroupError(f"{path}: {error}") from error
    return build(chosen, settings, path)


# --- dataclasses to mappings ----------------------------------------------------------------------


def short_name(names: Names, cls: type[Any]) -> str:
    """Return the short name of a component class in its family, or its import path."""
    path = f"{cls.__module__}:{cls.__qualname__}"
    return next((short for short, long in names.items() if long == path), path)


def to_dict(instance: Any, defaults: bool = True) -> dict[str, Any]:
    """Return a dataclass as plain nested mappings; without `defaults`, what differs from them."""
    out: dict[str, Any] = {}
    for field in dataclasses.fields(instance):
        if not field.init:
            continue
        value = getattr(instance, field.name)
        fallback = _default(field)
        names = field.metadata.get("names")
        if names is not None:
            inner = {"use": short_name(names, type(value)), **to_dict(value, defaults)}
            if defaults or not _same(value, fallback):
                out[field.name] = inner
        elif dataclasses.is_dataclass(value):
            if defaults or not _same(value, fallback):
                out[field.name] = to_dict(value, defaults)
        elif defaults or not _same(value, fallback):
            out[field.name] = _plain(value)
    return out


def _same(one: Any, two: Any) -> bool:
    """Return whether two values are one setting; for Python 5 == 5.0 == True, for a rule not."""
    return settings_key(one) == settings_key(two)


def _plain(value: Any) -> Any:
    """Return a setting as JSON holds it: lists, mappings by name, numbers, text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(_plain, value), key=repr)
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return dataclasses.MISSING
