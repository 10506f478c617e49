"""Settings to frozen dataclasses and back, and the id of a spec.

A component (data set, model, partition, aggregation rule, ...) is a frozen dataclass whose fields
are its settings. In YAML it is chosen with `use:`, either a short name listed by its family or an
import path with a colon (`my_pkg.mod:Krum`), so outsiders register nothing. Types are validated by
pydantic with JSON semantics: no string is read as a number, no number as a bool.
"""

import dataclasses
import hashlib
import importlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from fedgroup.errors import FedgroupError, unknown

SPEC_VERSION = 1
"""Part of every run id; raised when equal settings would no longer mean equal runs."""

T = TypeVar("T")
Names = Mapping[str, str]
"""Components of a family: short name -> import path."""


class Component(Protocol):
    """What every component is: a frozen dataclass of settings, so equal ones have equal hashes."""

    __dataclass_fields__: ClassVar[dict[str, "dataclasses.Field[Any]"]]
    """Its settings, as every dataclass has them."""

    def __hash__(self) -> int:
        """Return the hash of the settings."""
        ...


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
            f"cannot import '{path}': {error} (is its folder on PYTHONPATH, its package installed?)"
        ) from error
    except AttributeError as error:
        raise FedgroupError(f"module '{module}' has no '{name}' (from '{path}')") from error
    return value


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
    settings = {"use": value} if isinstance(value, str) else dict(value or {})
    use = settings.pop("use", None)
    if not isinstance(use, str):
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
            if defaults or value != fallback:
                out[field.name] = inner
        elif dataclasses.is_dataclass(value):
            if defaults or value != fallback:
                out[field.name] = to_dict(value, defaults)
        elif defaults or value != fallback:
            out[field.name] = list(value) if isinstance(value, tuple) else value
    return out


def _default(field: "dataclasses.Field[Any]") -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return dataclasses.MISSING


def run_id(parts: Mapping[str, Any]) -> str:
    """Return the name of a run: 12 hex digits of the hash of its settings that are not defaults.

    Leaving defaults out means that a new setting renames no old run; the stored full spec is
    compared on resume, so that a changed default is noticed.
    """
    sparse = {
        name: to_dict(part, defaults=False) for name, part in parts.items() if part is not None
    }
    text = json.dumps({"version": SPEC_VERSION, **sparse}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
