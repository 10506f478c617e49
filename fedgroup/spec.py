"""The one config reader: YAML and dotted overrides to frozen dataclasses, and the id of a spec.

A component (data set, model, partition, aggregation rule, ...) is a frozen dataclass whose fields are
its settings. In YAML it is chosen with `use:`, either a short name listed by its family or an import
path with a colon (`my_pkg.mod:Krum`), so outsiders register nothing. Types are validated by pydantic
with JSON semantics: no string is read as a number, no number as a bool.
"""

import dataclasses
import hashlib
import importlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_type_hints

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from fedgroup.errors import FedgroupError, unknown

SPEC_VERSION = 1
"""Part of every run id; raised when equal settings would no longer mean equal runs."""

T = TypeVar("T")
Names = Mapping[str, str]


def component(names: Names, default: str) -> Any:
    """Declare a dataclass field that holds a component of the family `names` (short name -> path)."""
    return dataclasses.field(
        default_factory=lambda: resolve(names, default)(), metadata={"names": names}
    )


def resolve(names: Names, name: str) -> type[Any]:
    """Class behind a short name or an import path `module:Class`."""
    path = names.get(name, name)
    if ":" not in path:
        raise unknown("component", name, [*names, "my_pkg.mod:Class"])
    found = imported(path)
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise FedgroupError(
            f"'{path}' is not a dataclass: a component is a frozen dataclass of its settings"
        )
    return found


def imported(path: str) -> Any:
    """What stands behind an import path `module:Name`, also nested as `module:Outer.Inner`."""
    module, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except ImportError as error:
        raise FedgroupError(
            f"cannot import '{path}': {error} (is its folder on PYTHONPATH, its package installed?)"
        ) from error
    except AttributeError as error:
        raise FedgroupError(f"module '{module}' has no '{name}' (from '{path}')") from error
    return found


# --- text to mappings --------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """YAML with 1.2's floats and booleans: PyYAML alone reads 1e-5 as a string, off and no as False."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)

_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN)$"
    ),
    list("-+0123456789."),
)


def parse(text: str, where: str) -> Any:
    """Parse YAML text; `where` names it in errors."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        first = " ".join(str(error).split())
        raise FedgroupError(f"{where} is not valid YAML: {first}") from error


def read(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping."""
    try:
        values = parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise FedgroupError(f"cannot read {path}: {error.strerror}") from error
    if not isinstance(values, dict):
        raise FedgroupError(
            f"{path} must hold a mapping of settings, found {type(values).__name__}"
        )
    return values


def override(assignment: str) -> dict[str, Any]:
    """Turn 'task.train.lr=0.1' into nested mappings; the value is read as YAML."""
    path, equals, text = assignment.partition("=")
    if not equals or not path.strip():
        raise FedgroupError(f"'{assignment}' is not an override: write path.to.setting=value")
    value = parse(text, f"the value of {path}")
    for key in reversed(path.strip().split(".")):
        value = {key: value}
    return dict(value)


def overrides(assignments: Iterable[str]) -> dict[str, Any]:
    """Nested mapping of several dotted assignments; later ones win."""
    settings: dict[str, Any] = {}
    for assignment in assignments:
        settings = merge(settings, override(assignment))
    return settings


def merge(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """Lay `high` over `low`. Choosing another component drops the settings of the one below."""
    merged = dict(low)
    for key, value in high.items():
        below = merged.get(key)
        if isinstance(below, str) and isinstance(value, Mapping):
            below = {"use": below}
        if isinstance(below, Mapping) and isinstance(value, str) and "use" in below:
            value = {"use": value}
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            changed = "use" in value and value["use"] != below.get("use")
            merged[key] = dict(value) if changed else merge(below, value)
        else:
            merged[key] = value
    return merged


# --- mappings to dataclasses and back ----------------------------------------------------------------


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint, config=ConfigDict(strict=True))


@cache
def _hints(cls: type[Any]) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)


def build(cls: Callable[..., T], values: Mapping[str, Any], where: str = "") -> T:
    """Build the dataclass `cls` from a mapping; `where` is the dotted path for messages."""
    if not isinstance(values, Mapping):
        raise FedgroupError(f"{where or 'the spec'} must be a mapping of settings, got {values!r}")
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    given: dict[str, Any] = {}
    for key, value in values.items():
        path = f"{where}.{key}" if where else str(key)
        if key not in fields:
            raise unknown(f"setting in {where or 'the spec'}", key, fields)
        given[key] = _value(cls, fields[key], value, path)
    try:
        return cls(**given)
    except FedgroupError as error:
        raise FedgroupError(f"{where}: {error}" if where else str(error)) from error
    except TypeError as error:
        raise FedgroupError(f"{where or 'the spec'}: {error}") from error


def _value(cls: Any, field: "dataclasses.Field[Any]", value: Any, path: str) -> Any:
    hint = _hints(cls)[field.name]
    names = field.metadata.get("names")
    if names is not None:
        chosen = {"use": value} if isinstance(value, str) else dict(value or {})
        use = chosen.pop("use", None)
        if not isinstance(use, str):
            default = short_name(names, type(getattr(cls(), field.name)))
            use = default
        try:
            target = resolve(names, use)
        except FedgroupError as error:
            raise FedgroupError(f"{path}: {error}") from error
        return build(target, chosen, path)
    if dataclasses.is_dataclass(hint):
        return build(hint, value, path)  # type: ignore[arg-type]
    try:
        return _adapter(hint).validate_json(json.dumps(value))
    except ValidationError as error:
        reason = error.errors()[-1]["msg"]
        raise FedgroupError(f"{path}: {reason[0].lower()}{reason[1:]}, got {value!r}") from error
    except TypeError as error:
        raise FedgroupError(f"{path}: {value!r} is not a plain value") from error


def short_name(names: Names, cls: type[Any]) -> str:
    """Short name of a component class in its family, or its import path."""
    path = f"{cls.__module__}:{cls.__qualname__}"
    return next((short for short, long in names.items() if long == path), path)


def to_dict(spec: Any, defaults: bool = True) -> dict[str, Any]:
    """Plain nested mapping of a dataclass; without `defaults`, only what differs from them."""
    out: dict[str, Any] = {}
    for field in dataclasses.fields(spec):
        if not field.init:
            continue
        value = getattr(spec, field.name)
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
    """Name of a run: 12 hex digits of the hash of its settings that differ from their defaults.

    Leaving defaults out means that a new setting renames no old run; the stored full spec is compared
    on resume, so that a changed default is noticed.
    """
    sparse = {
        name: to_dict(part, defaults=False) for name, part in parts.items() if part is not None
    }
    text = json.dumps({"version": SPEC_VERSION, **sparse}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
