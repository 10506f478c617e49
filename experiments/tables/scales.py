"""The scales of a table: settings laid over its base, by name, alone or one extending another."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from fedgroup.errors import FedgroupError, unknown
from fedgroup.settings.overrides import read_yaml


def read_scales(entry: Any, where: str) -> dict[str, dict[str, Any]]:
    """Return the settings by scale; `entry` is a mapping, or the name of a file in presets/."""
    if isinstance(entry, str):
        folder = resources.files("experiments") / "presets"
        presets = sorted(file.name.removesuffix(".yaml") for file in folder.iterdir())
        if entry not in presets:
            raise unknown(f"preset in {where}", entry, presets)
        entry = read_yaml(Path(str(folder / f"{entry}.yaml")))
    return {str(name): dict(settings or {}) for name, settings in (entry or {}).items()}


def scale_for_data(scales: Mapping[str, Any], data: Mapping[str, Any] | None) -> str | None:
    """Return the first scale with the data set of `--data` (waterbirds: paper), or None."""
    if data is None:
        return None
    for name, settings in scales.items():
        component = ((settings or {}).get("task") or {}).get("data")
        if data["use"] == (component.get("use") if isinstance(component, Mapping) else component):
            return str(name)
    return None


def scale_chain(chosen: str, scales: dict[str, dict[str, Any]], where: str) -> list[str]:
    """Return the scales to lay over each other for `chosen`, the one it extends first.

    Args:
        chosen: Name of a scale; empty for none.
        scales: Settings by scale. The key `extends` of each scale in the chain is taken out.
        where: Name of the table's file, for errors.

    Returns:
        Names of scales; empty where none is chosen.

    Raises:
        FedgroupError: A scale extends itself, or one that does not exist.
    """
    chain: list[str] = []
    while chosen:
        if chosen in chain:
            raise FedgroupError(f"{where}: scale {chosen} extends itself")
        if chosen not in scales:
            raise unknown(f"scale to extend in {where}", chosen, scales)
        chain.insert(0, chosen)
        chosen = str(scales[chosen].pop("extends", ""))
    return chain
