"""What a table's file may hold: known keys, lists that are lists, labels apart."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from fedgroup.errors import FedgroupError, unknown
from fedgroup.settings.overrides import leaves

KEYS = (
    *("title", "note", "base", "scales", "scale", "rows", "vary", "columns"),
    *("probes", "seeds", "paper", "baseline"),
)
"""Keys of a table's file."""
ENTRY_KEYS = {
    "rows": ("label", "set", "scales", "only"),
    "vary": ("label", "set"),
    "baseline": ("name", "set"),
}
"""Keys of an entry of rows and of vary, and of the baseline."""
OUR_COLUMNS = (
    *("seed", "selection", "run", "round", "n", "id", "notes", "wga", "acc", "acc_adjusted"),
    *("acc_paper", "asr", "asr_base", "minority_influence", "WGA", "ACC", "ASR"),
)
"""Columns of our own in a report's files: a label of that name would be overwritten."""
OUR_PREFIXES = ("group ", "idnf ", "elmf ")
OUR_SUFFIXES = ("_drop", "_std", "_low95", "_high95")


def check_file(values: Mapping[str, Any], where: str) -> None:
    """Refuse a table's file with a key that nothing reads, or one of another kind than its name.

    Args:
        values: What the file holds.
        where: Its name, for messages.

    Raises:
        FedgroupError: The first thing that is wrong.
    """
    _known(values, KEYS, where)
    for name in ("rows", "vary"):
        for number, entry in enumerate(_listed(values, name, where), 1):
            place = f"{where}, {name} {number}"
            _known(_mapping(entry, place), ENTRY_KEYS[name], place)
            for key in ("label", "set", "scales"):
                _mapping(entry.get(key), f"{place}, {key}")
            _listed(entry, "only", place)
            _no_seed(entry.get("set"), place)
    for name in ("columns", "probes", "seeds"):
        if name in values and not _listed(values, name, where):
            raise FedgroupError(f"{where}: {name} is empty: name some, or leave the key out")
    _known(_mapping(values.get("baseline"), f"{where}, baseline"), ENTRY_KEYS["baseline"], where)
    _no_seed(_mapping(values.get("base"), f"{where}, base"), where)
    if "seeds" in values:
        check_seeds(values["seeds"], f"{where}: seeds")


def check_scales(values: Mapping[str, Any], scales: Collection[str], where: str) -> None:
    """Refuse a row that names a scale which the table has not.

    Args:
        values: What the file holds.
        scales: Names of the table's scales.
        where: Name of the file, for messages.

    Raises:
        FedgroupError: There is such a row.
    """
    for number, row in enumerate(values.get("rows") or [], 1):
        for name in (*(row.get("only") or ()), *(row.get("scales") or ())):
            if name not in scales:
                raise unknown(f"scale of {where} (rows {number})", name, scales)


def check_labels(labels: Sequence[Mapping[str, str]], where: str) -> None:
    """Refuse labels that do not tell rows apart, or that would hide one of our columns.

    Args:
        labels: The label of each row.
        where: Name of the file, for messages.

    Raises:
        FedgroupError: The first label that is wrong.
    """
    for number, label in enumerate(labels, 1):
        if list(label) != list(labels[0]):
            raise FedgroupError(
                f"{where}: row {number} is labelled by {', '.join(label) or 'nothing'}, the first "
                f"row by {', '.join(labels[0]) or 'nothing'}: give every row the same columns"
            )
        if label in labels[: number - 1]:
            raise FedgroupError(
                f"{where}: two rows have the label {' '.join(label.values())}: tell them apart"
            )
    for key in labels[0]:
        if key in OUR_COLUMNS or key.startswith(OUR_PREFIXES) or key.endswith(OUR_SUFFIXES):
            raise FedgroupError(
                f"{where}: the label column '{key}' has the name of a column of every report: "
                f"rename it, e.g. to 'my {key}'"
            )


def check_seeds(seeds: Any, where: str) -> None:
    """Refuse seeds that are not distinct whole numbers from 0; `where` names them in messages."""
    whole = isinstance(seeds, list) and all(type(seed) is int and seed >= 0 for seed in seeds)
    if not whole or not seeds or len(set(seeds)) < len(seeds):
        raise FedgroupError(
            f"{where} must be distinct whole numbers from 0, such as [0, 1, 2], got {seeds!r}"
        )


def _known(values: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    for key in values:
        if key not in keys:
            raise unknown(f"key in {where}", key, keys)


def _listed(values: Mapping[str, Any], name: str, where: str) -> list[Any]:
    """Return a list of the file, [] where there is none; a text alone is no list."""
    entry = values.get(name)
    if entry is not None and not isinstance(entry, list):
        raise FedgroupError(f"{where}: {name} must be a list such as [a, b], got {entry!r}")
    return entry or []


def _mapping(entry: Any, where: str) -> Mapping[str, Any]:
    if entry is not None and not isinstance(entry, Mapping):
        raise FedgroupError(f"{where} must be a mapping, got {entry!r}")
    return entry or {}


def _no_seed(settings: Any, where: str) -> None:
    if any(path == "task.seed" for path, _ in leaves(settings)):
        raise FedgroupError(f"{where}: task.seed is set by the table's seeds: write seeds: [...]")
