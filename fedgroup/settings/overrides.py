"""Settings as text: YAML files, `--set path.to.setting=value`, one mapping laid over another."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from fedgroup.errors import FedgroupError
from fedgroup.settings.yaml_reader import CoreLoader


def parse_yaml(text: str, where: str) -> Any:
    """Return the value of YAML 1.2 text; `where` names the text in errors, which name the line."""
    try:
        return yaml.load(text, Loader=CoreLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        reason = " ".join(f"{error.context or ''} {error.problem or ''}".split())
        raise FedgroupError(f"{where}{line} is not valid YAML: {reason}") from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise FedgroupError(f"{where} is not valid YAML: {reason}") from error
    except RecursionError as error:
        raise FedgroupError(f"{where} is nested too deeply") from error


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the settings of a YAML file; refuse one that does not hold a mapping."""
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise FedgroupError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FedgroupError(
            f"{path} is not UTF-8 text (byte {error.start + 1}): save it as UTF-8"
        ) from error
    if not isinstance(values, dict):
        raise FedgroupError(
            f"{path} must hold a mapping of settings, found {type(values).__name__}"
        )
    return values


def override(assignment: str) -> dict[str, Any]:
    """Return 'task.train.lr=0.1' as nested mappings; the value is read as YAML."""
    path, equals, text = assignment.partition("=")
    keys = [key.strip() for key in path.split(".")]
    if not equals or not all(keys):
        raise FedgroupError(f"'{assignment}' is not an override: write path.to.setting=value")
    if not text.strip():
        raise FedgroupError(
            f"'{assignment}' gives no value (an empty shell variable?): write one, "
            f"'{path}=null' for none or '{path}=\"\"' for an empty text"
        )
    value = parse_yaml(text, f"the value of {path}")
    for key in reversed(keys):
        value = {key: value}
    return dict(value)


def overrides(assignments: Iterable[str]) -> dict[str, Any]:
    """Return several dotted assignments as one nested mapping, whatever their order.

    Raises FedgroupError where two of them give one setting different values.
    """
    settings: dict[str, Any] = {}
    given: dict[str, tuple[Any, str]] = {}
    for assignment in sorted(assignments, key=lambda text: depth(text.partition("=")[0])):
        values = override(assignment)
        for path, value in leaves(values):
            before, other = given.setdefault(path.removesuffix(".use"), (value, assignment))
            if before != value or type(before) is not type(value):
                raise FedgroupError(
                    f"'{other}' and '{assignment}' give {path} two values: keep one"
                )
        settings = merge(settings, values)
    return settings


def depth(path: str) -> int:
    """Return by what dotted paths are laid over each other: a component before its settings.

    Choosing a component drops the settings that are there.
    """
    return path.strip().removesuffix(".use").count(".")


def settings_of(name: str, assignments: Iterable[str]) -> dict[str, Any]:
    """Return the settings of one component, named apart; refuse an assignment of another name."""
    settings = overrides(assignments)
    other = settings.pop("use", name)
    if other != name:
        raise FedgroupError(f"'{name}' and --set use={other} name two components: keep one")
    return settings


def leaves(settings: Any, where: str = "") -> list[tuple[str, Any]]:
    """Return the settings of a nested mapping with their dotted paths, in order."""
    if not isinstance(settings, Mapping) or not settings:
        return [(where, settings)] if where else []
    return [
        leaf
        for key, value in settings.items()
        for leaf in leaves(value, f"{where}.{key}" if where else str(key))
    ]


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
