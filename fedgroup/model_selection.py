"""Selection rules: which round of a run is reported. All of them are applied and stored.

best_val_wga: the first round of highest validation WGA, the paper's rule; round 0, the start, is
out, and so are failed rounds before the first that trained anything.
final: the last evaluated round. last10: the mean over the last ten evaluated rounds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fedgroup.dataset import GroupInfo
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import Counts
from fedgroup.runs.weak_points import weak_points

RULES = ("best_val_wga", "final", "last10")


def counts(row: Mapping[str, Any], split: str) -> Counts:
    """Return the counts of one split from a line of rounds.jsonl."""
    return Counts(tuple(row[split]["correct"]), tuple(row[split]["total"]))


def attack_rate(row: Mapping[str, Any]) -> float | None:
    """Return the attack success of a line of rounds.jsonl in percent; None where none counts."""
    hits = row.get("attack")
    if hits is None or not sum(hits["total"]):
        return None
    return 100 * float(sum(hits["hits"])) / float(sum(hits["total"]))


def metrics(value: Counts, train_counts: Sequence[int]) -> dict[str, Any]:
    """Return WGA, raw and adjusted ACC and group accuracies, in percent, and the worst group."""
    worst, wga = value.worst_group()
    return {
        "wga": 100 * wga,
        "acc": 100 * value.accuracy(),
        "acc_adjusted": 100 * value.adjusted(train_counts),
        "worst_group": worst,
        "worst_group_samples": value.total[worst],
        "groups": [None if a is None else 100 * a for a in value.by_group()],
    }


def trained(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rounds after which the model is no longer the start."""
    tried = [row for row in rows if row["round"] > 0]
    first = next((n for n, row in enumerate(tried) if not row.get("failed")), len(tried))
    return tried[first:]


def select(
    rows: Sequence[Mapping[str, Any]], train_counts: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """Apply every selection rule to a run.

    Args:
        rows: Lines of rounds.jsonl; those without an evaluation are left out, and those of the
            untrained model: the start, and failed rounds after which it is still the start.
        train_counts: Clean training samples per group, (G,).

    Returns:
        By rule, the round(s) it selects and their metrics on the test split, in percent.

    Raises:
        FedgroupError: where no round after the start was evaluated.
    """
    scored = [row for row in trained(rows) if "test" in row]
    if not scored:
        raise FedgroupError("no evaluated round to select from")
    best = max(scored, key=lambda row: counts(row, "val").wga())  # max keeps the first on ties
    selected = {}
    for name, row in (("best_val_wga", best), ("final", scored[-1])):
        selected[name] = {
            "round": row["round"],
            "val_wga": 100 * counts(row, "val").wga(),
            **metrics(counts(row, "test"), train_counts),
            **_attack(row),
        }
    last = [metrics(counts(row, "test"), train_counts) for row in scored[-10:]]
    selected["last10"] = {
        "rounds": [row["round"] for row in scored[-10:]],
        **{key: sum(m[key] for m in last) / len(last) for key in ("wga", "acc", "acc_adjusted")},
    }
    rates = [rate for row in scored[-10:] if (rate := attack_rate(row)) is not None]
    if "attack" in scored[-1]:
        selected["last10"]["asr"] = sum(rates) / len(rates) if rates else None
    return selected


def summary(
    rows: Sequence[Mapping[str, Any]], info: GroupInfo, rounds: int, failed_rounds: int = 0
) -> dict[str, Any]:
    """Return what result.json says of every run, federated or not.

    Args:
        rows: All lines of rounds.jsonl, the start first.
        info: The data set.
        rounds: Rounds (or epochs) of the run.
        failed_rounds: Rounds in which nothing was aggregated.

    Returns:
        JSON-able values; metrics are on the test split, in percent.
    """
    selected = select(rows, info.train_counts)
    return {
        "selection": selected,
        "start": metrics(counts(rows[0], "test"), info.train_counts),
        "rounds": rounds,
        "failed_rounds": failed_rounds,
        "flags": {
            "wga_zero": selected["best_val_wga"]["wga"] == 0.0,
            "failed_round_share": failed_rounds / rounds,
            **weak_points(trained(rows), info),
        },
        "dataset": {
            "name": info.name,
            "classes": list(info.classes),
            "groups": list(info.groups),
            "tiers": {name: list(groups) for name, groups in info.tiers.items()},
            "train_counts": list(info.train_counts),
        },
    }


def _attack(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attack success in percent and the samples that count, where there is an attack."""
    if "attack" not in row:
        return {}
    return {"asr": attack_rate(row), "attack_samples": sum(row["attack"]["total"])}
