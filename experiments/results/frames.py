"""The numbers of a table as data frames: one line per run, and one per row."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.results.finished_runs import result
from experiments.results.measurements import (
    ACCURACIES,
    Line,
    attacked,
    has_drop,
    is_baseline,
    lines,
    measured,
)
from experiments.results.weak_numbers import weak_numbers
from experiments.results.weak_rows import of_seeds
from experiments.tables.table import Table
from fedgroup.model_selection import RULES


def frame(table: Table, results: Path) -> pd.DataFrame:
    """Return one line per row, seed and selection rule: raw values and paired differences."""
    entries = []
    for row in table.rows:
        runs = zip(table.seeds, row.experiments, row.baselines, strict=True)
        for seed, experiment, baseline in runs:
            stored = result(experiment, results)
            for select in RULES if stored else ():
                values = measured(experiment, results, select) or {}
                entry = {
                    **row.label,
                    "seed": seed,
                    "selection": select,
                    "run": experiment.id,
                    **values,
                }
                entry["round"] = stored["selection"][select].get("round")  # type: ignore[index]
                if not is_baseline(row):
                    base = measured(baseline, results, select) or {}
                    shared = [m for m in values if m in base and has_drop(m)]
                    entry |= {f"{m}_drop": base[m] - values[m] for m in shared}
                if weak := weak_numbers(stored, select):  # type: ignore[arg-type]
                    entry["notes"] = "; ".join(weak)
                entries.append(entry)
    return pd.DataFrame(entries)


def summary_frame(table: Table, results: Path) -> pd.DataFrame:
    """Return one line per row and selection rule: mean, std, n, and each drop with its spread."""
    entries = []
    for select in RULES:
        of_rule = lines(table, results, select)
        metrics = [*ACCURACIES, *(["asr"] if attacked(table) else [])]
        metrics += [m for line in of_rule for m, values in line.values.items() if values]
        entries += [_summary(line, select, dict.fromkeys(metrics)) for line in of_rule]
    return pd.DataFrame(entries)


def _summary(line: Line, select: str, metrics: Mapping[str, None]) -> dict[str, Any]:
    """Return the cells of one row under one selection rule."""
    finished = sum(run is not None for run in line.runs)
    entry: dict[str, Any] = {**line.row.label, "selection": select, "n": finished}
    for metric in metrics:
        spread = line.spread(metric)
        entry[metric] = spread.mean if spread else None
        entry[f"{metric}_std"] = spread.std if spread else None
        if spread and spread.n != finished:
            entry[f"{metric}_n"] = spread.n
        if line.drops and metric in line.drops:
            drop = line.drops[metric]
            if drop.spread.n != finished:
                entry[f"{metric}_drop_n"] = drop.spread.n
            entry |= {
                f"{metric}_drop": drop.spread.mean,
                f"{metric}_drop_std": drop.spread.std,
                f"{metric}_drop_unpaired_std": drop.unpaired_std,
                f"{metric}_drop_low95": drop.low,
                f"{metric}_drop_high95": drop.high,
            }
    found = [*line.weak.items(), *line.weak_drops.items()]
    weak = [f"{text} ({of_seeds(seeds)})" for text, seeds in found if text not in line.flags]
    return entry | {"notes": "; ".join([*line.flags, *weak])}
