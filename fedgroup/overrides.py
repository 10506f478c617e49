"""Settings as text: YAML files, `--set path.to.setting=value`, one mapping laid over another."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml

from fedgroup.errors import FedgroupError


class _Loader(yaml.SafeLoader):
    """YAML with 1.2's floats and booleans: PyYAML alone reads 1e-5 as text, off and no as False."""

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
        r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$"
        r"|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN)$"
    ),
    list("-+0123456789."),
)


def parse_yaml(text: str, where: str) -> Any:
    """Return the value of YAML text; `where` names the text in errors."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise FedgroupError(f"{where} is not valid YAML: {reason}") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the settings of a YAML file; refuse one that does not hold a mapping."""
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise FedgroupError(f"cannot read {path}: {error.strerror}") from error
    if not isinstance(values, dict):
        raise FedgroupError(
            f"{path} must hold a mapping of settings, found {type(values).__name__}"
        )
    return values


def override(assignment: str) -> dict[str, Any]:
    """Return 'task.train.lr=0.1' as nested mappings; the value is read as YAML."""
    path, equals, text = assignment.partition("=")
    if not equals or not path.strip():
        raise FedgroupError(f"'{assignment}' is not an override: write path.to.setting=value")
    value = parse_yaml(text, f"the value of {path}")
    for key in reversed(path.strip().split(".")):
        value = {key: value}
    return dict(value)


def overrides(assignments: Iterable[str]) -> dict[str, Any]:
    """Return several dotted assignments as one nested mapping; later ones win."""
    settings: dict[str, Any] = {}
    for assignment in assignments:
        settings = merge(settings, override(assignment))
    return settings


def merge(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    """Return `low` with `high` laid over it.

    Choosing another component (`use`) drops the settings of the one below.
    """
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
