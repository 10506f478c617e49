"""What a run's numbers lack behind them, in its records: result.json keeps it under `flags`.

Nothing is said of a run that lacks nothing, so its result has the bytes that it always had.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fedgroup.dataset import GroupInfo


def weak_points(rows: Sequence[Mapping[str, Any]], info: GroupInfo) -> dict[str, Any]:
    """Return what is missing in the data and in the rounds of a run.

    Args:
        rows: Lines of rounds.jsonl from the first that trained; the last one is evaluated.
        info: The data set.

    Returns:
        By name, where there is something to say: empty_groups and empty_classes by split (their
        names), val_wga_zero (no round has a validation WGA over 0), rounds_without_loss (their
        number: some admitted client said no finite loss).
    """
    found: dict[str, Any] = {}
    totals = {
        "train": list(info.train_counts),
        "val": rows[-1]["val"]["total"],
        "test": rows[-1]["test"]["total"],
    }
    groups = {name: _empty(total, info.groups) for name, total in totals.items()}
    classes = {name: _empty(_by_class(t, info), info.classes) for name, t in totals.items()}
    for key, empty in (("empty_groups", groups), ("empty_classes", classes)):
        if any(empty.values()):
            found[key] = {split: names for split, names in empty.items() if names}
    scored = [row["val"] for row in rows if "val" in row]
    if all(_worst_is_zero(val) for val in scored):
        found["val_wga_zero"] = True
    if unknown := sum(bool(row.get("without_loss")) for row in rows):
        found["rounds_without_loss"] = unknown
    return found


def _empty(totals: Sequence[int], names: Sequence[str]) -> list[str]:
    return [name for name, total in zip(names, totals, strict=True) if not total]


def _by_class(totals: Sequence[int], info: GroupInfo) -> list[int]:
    a = info.attributes
    return [sum(totals[a * y : a * (y + 1)]) for y in range(len(info.classes))]


def _worst_is_zero(counts: Mapping[str, Sequence[int]]) -> bool:
    return any(t and not c for c, t in zip(counts["correct"], counts["total"], strict=True))
