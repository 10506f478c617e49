"""The separability report: every signal of every probed run, with its intervals."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.report.metric_format import number
from experiments.results.probe_reports import probe_report
from experiments.tables.labels import short
from experiments.tables.table import Table

AGAINST = "LRG-1"
CAPTION = (
    f"Signals, poisons against {AGAINST}. AUC: how far the signal orders the two (0.5: not at "
    "all). TV: total-variation distance in percent, the largest gap in selection rates of any "
    "rule that looks only at the signal (loss: of any rule on ten bins). Brackets: 95 % bootstrap "
    "interval; chance: mean TV under random relabelling. Gap: what the method itself reached, in "
    "points."
)
COLUMNS = ("run", "seed", "signal", "AUC", "TV", "chance", "gap")


def signal_frame(table: Table, results: Path) -> pd.DataFrame:
    """Return one line per row, seed, signal and tier; empty where nothing is probed."""
    records = []
    for row in table.rows:
        for seed, experiment in zip(table.seeds, row.experiments, strict=True):
            report = probe_report(results / experiment.id / "probe-signals.json") or {}
            for signal, tiers in report.get("signals", {}).items():
                for tier, statistics in tiers.items():
                    gap = report["values"].get("gap") if tier == AGAINST else None
                    names = {
                        "run": short(row, table.rows),
                        "seed": seed,
                        "signal": signal,
                        "tier": tier,
                    }
                    records.append({**names, **_flat(statistics), "gap": gap})
    return pd.DataFrame(records)


def signal_rows(table: Table, results: Path) -> list[list[str]]:
    """Return the lines of LRG-1 as text, by COLUMNS; empty where nothing is probed."""
    lines = []
    for record in signal_frame(table, results).to_dict("records"):
        if record["tier"] == AGAINST:
            lines.append(
                [
                    record["run"],
                    str(record["seed"]),
                    record["signal"].replace("_", " "),
                    _interval(record, "auc", 1, 2),
                    _interval(record, "total_variation", 100, 1),
                    number(100 * record["total_variation_chance"], 1),
                    "–" if pd.isna(record["gap"]) else number(record["gap"], 1),
                ]
            )
    return lines


def _flat(statistics: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a comparison, an interval's as NAME, NAME_low and NAME_high."""
    values: dict[str, float] = {}
    for name, value in statistics.items():
        if isinstance(value, dict):
            values |= {
                name: value["value"],
                f"{name}_low": value["low"],
                f"{name}_high": value["high"],
            }
        elif isinstance(value, int | float) and not isinstance(value, bool):
            values[name] = value
    return values


def _interval(record: Mapping[Any, Any], name: str, scale: float, decimals: int) -> str:
    """Format a number with its interval: '0.61 [0.55, 0.68]'.

    Args:
        record: Line of `signal_frame`.
        name: Name of the number.
        scale: What it is multiplied with: 100 for percent.
        decimals: Decimals of all three.
    """
    keys = (name, f"{name}_low", f"{name}_high")
    value, low, high = (number(scale * record[key], decimals) for key in keys)
    return f"{value} [{low}, {high}]"
