"""Records to tables: one row per table row, drops joined with FedAvg by seed, in Markdown and CSV."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.derived import Drop, Spread, paired_drop
from experiments.experiment import Experiment
from experiments.table import Row, Table
from fedgroup.errors import FedgroupError, unknown
from fedgroup.record import read_json, read_lines, status
from fedgroup.selection import RULES

METRICS = ("wga", "acc_adjusted", "acc")
HEADS = {"wga": "WGA", "acc_adjusted": "ACC", "acc": "raw ACC"}
NO_HEADROOM = 5.0
"""A drop from a baseline WGA under this many points says nothing (spec federated 4)."""


SECONDS = ("train", "transfer", "aggregate", "evaluate", "record")
"""Parts of a round's time."""


@dataclass(frozen=True)
class Line:
    """One row of a report: values per seed, their spread, and the drops against FedAvg."""

    row: Row
    values: dict[str, list[float]]
    """Metric -> percent per finished seed."""
    drops: dict[str, Drop] | None
    """Metric -> paired drop; None for FedAvg itself or where the baseline is missing."""
    expected: int
    flags: tuple[str, ...]

    def spread(self, metric: str) -> Spread | None:
        """Mean and std over finished seeds; None where there are none."""
        return Spread.of(self.values[metric]) if self.values[metric] else None


def result(experiment: Experiment, results: Path) -> dict[str, Any] | None:
    """Result of a finished experiment; None where it is not finished."""
    folder = results / experiment.id
    if status(folder) != "done":
        return None
    found: dict[str, Any] = read_json(folder / "result.json")
    return found


def lines(table: Table, results: Path, select: str) -> list[Line]:
    """Read every row of a table under one selection rule."""
    if select not in RULES:
        raise unknown("selection rule", select, RULES)
    return [_line(row, results, select) for row in table.rows]


def _line(row: Row, results: Path, select: str) -> Line:
    values: dict[str, list[float]] = {metric: [] for metric in METRICS}
    own: dict[str, list[float]] = {metric: [] for metric in METRICS}
    base: dict[str, list[float]] = {metric: [] for metric in METRICS}
    flags = []
    paired = row.experiments[0].baseline().id != row.experiments[0].id
    for experiment in row.experiments:
        found = result(experiment, results)
        if found is None:
            continue
        reference = result(experiment.baseline(), results) if paired else None
        for metric in METRICS:
            values[metric].append(found["selection"][select][metric])
            if reference is not None:
                own[metric].append(found["selection"][select][metric])
                base[metric].append(reference["selection"][select][metric])
        if found["failed_rounds"]:
            flags.append(f"{found['failed_rounds']} of {found['rounds']} rounds failed")
    if base["wga"] and min(base["wga"]) < NO_HEADROOM:
        flags.append("no headroom")
    if values["wga"] and len(values["wga"]) < len(row.experiments):
        flags.append(f"n={len(values['wga'])}/{len(row.experiments)}")
    drops = {metric: paired_drop(base[metric], own[metric]) for metric in METRICS} if base["wga"] else None
    return Line(row, values, drops, len(row.experiments), tuple(dict.fromkeys(flags)))


def cell(mean: float, std: float) -> str:
    """Format 'mean ± std' with one decimal; a single seed has no std."""
    return f"{mean:.1f}" if math.isnan(std) else f"{mean:.1f} ± {std:.1f}"


def cells(table: Table, found: Sequence[Line]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the printed table."""
    labels = list(table.rows[0].label)
    shown = [key for key in _paper_columns(table) if key not in labels]
    head = [
        *labels,
        "WGA",
        "ACC",
        "WGA drop",
        "ACC drop",
        "raw ACC drop",
        *(f"paper: {k}" for k in shown),
        "notes",
    ]
    body = []
    for line in found:
        text = list(line.row.label.values())
        for metric in ("wga", "acc_adjusted"):
            spread = line.spread(metric)
            text.append(cell(spread.mean, spread.std) if spread else "not run")
        for metric in METRICS:
            drop = line.drops[metric].spread if line.drops else None
            text.append(cell(drop.mean, drop.std) if drop else "–")
        paper = table.paper.get(tuple(line.row.label.values()), {})
        text += [paper.get(key) or "–" for key in shown]
        text.append("; ".join(line.flags))
        body.append(text)
    if not any(row[-1] for row in body):
        head, body = head[:-1], [row[:-1] for row in body]
    return head, body


def _paper_columns(table: Table) -> list[str]:
    return list(next(iter(table.paper.values()), {}))


def footer(table: Table, found: Sequence[Line], results: Path, select: str) -> list[str]:
    """What a reader must know beside the numbers."""
    done = [(e, r) for row in table.rows for e in row.experiments if (r := result(e, results))]
    if not done:
        raise FedgroupError(
            f"no run of table {table.name} is finished: start with `fedgroup run {table.name}`"
        )
    counted = sorted({len(line.values["wga"]) for line in found})
    envs = [read_json(results / e.id / "env.json") for e, _ in done]
    seconds = sum(
        sum(v for k, v in row.items() if k in SECONDS)
        for experiment, _ in done
        for row in read_lines(results / experiment.id, "timing")
    )
    task, federation = done[0][0].task, done[0][0].federation
    presets = sorted(
        {
            f"{line.row.label.get('METHOD', '')}: {rule.preset}"
            for line in found
            if hasattr(rule := line.row.experiments[0].federation.rule(), "preset")
        }
    )
    worst = done[0][1]["selection"]["final"]
    env = envs[0]
    packages = env["packages"]
    return [
        f"n = {'/'.join(str(c) for c in counted)} seed(s) of {list(table.seeds)}; ± is the sample standard "
        f"deviation (ddof=1), for drops that of the paired differences. Drops are in percentage points, "
        f"positive = worse than FedAvg.",
        f"Selection: {select}. ACC is weighted by the training proportions of the groups (the paper's "
        f"convention on Waterbirds); raw ACC is plain test accuracy.",
        f"Data {done[0][1]['dataset']['name']}, scale {table.scale or 'none'}, model "
        f"{type(task.model).__name__} ({done[0][1]['parameters']:,} parameters), {federation.rounds} rounds, "
        f"{_clients(done[0][0])} clients, {federation.fraction:g} of them per round, "
        f"{task.train.epochs} local epochs, lr {task.train.lr:g}, batch {task.train.batch_size}.",
        f"The worst group of the first run holds {worst['worst_group_samples']} test samples "
        f"(one sample = {100 / worst['worst_group_samples']:.2f} points).",
        *([f"SparseFed presets: {'; '.join(presets)}."] if presets else []),
        f"fedgroup {packages['fedgroup']} ({env['commit']}), torch {packages['torch']}, "
        f"flwr {packages['flwr']}, {env['device']}, {env['threads']} thread(s) per run, "
        f"{seconds / 60:.1f} minutes of run time in all.",
    ]


def _clients(experiment: Experiment) -> Any:
    return getattr(experiment.task.partition, "clients", "?")


def markdown(table: Table, found: Sequence[Line], results: Path, select: str) -> str:
    """The report as Markdown."""
    head, body = cells(table, found)
    rows = ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *body]]
    notes = "\n".join(f"- {line}" for line in footer(table, found, results, select))
    intro = f"{table.note}\n\n" if table.note else ""
    return f"# {table.title}\n\n{intro}" + "\n".join(rows) + f"\n\n{notes}\n"


def frame(table: Table, results: Path) -> pd.DataFrame:
    """One line per row, seed and selection rule: raw values and paired differences, in percent."""
    records = []
    for row in table.rows:
        for seed, experiment in zip(table.seeds, row.experiments, strict=True):
            found = result(experiment, results)
            reference = result(experiment.baseline(), results)
            for select in RULES if found else ():
                values = found["selection"][select]  # type: ignore[index]
                record = {**row.label, "seed": seed, "selection": select, "run": experiment.id}
                record |= {metric: values[metric] for metric in METRICS}
                record["round"] = values.get("round")
                groups = found["dataset"]["groups"]  # type: ignore[index]
                record |= {f"group: {g}": v for g, v in zip(groups, values.get("groups", ()), strict=False)}
                if reference is not None and reference is not found:
                    other = reference["selection"][select]
                    record |= {f"{metric}_drop": other[metric] - values[metric] for metric in METRICS}
                records.append(record)
    return pd.DataFrame(records)


def summary_frame(table: Table, results: Path) -> pd.DataFrame:
    """One line per row and selection rule: mean, std, n, unpaired std and t interval of each drop."""
    records = []
    for select in RULES:
        for line in lines(table, results, select):
            record: dict[str, Any] = {**line.row.label, "selection": select, "n": len(line.values["wga"])}
            for metric in METRICS:
                spread = line.spread(metric)
                record |= {
                    metric: spread.mean if spread else None,
                    f"{metric}_std": spread.std if spread else None,
                }
                if line.drops:
                    drop = line.drops[metric]
                    record |= {
                        f"{metric}_drop": drop.spread.mean,
                        f"{metric}_drop_std": drop.spread.std,
                        f"{metric}_drop_unpaired_std": drop.unpaired_std,
                        f"{metric}_drop_low95": drop.low,
                        f"{metric}_drop_high95": drop.high,
                    }
            record["minority_influence"] = _minority_influence(line.row, results)
            record["notes"] = "; ".join(line.flags)
            records.append(record)
    return pd.DataFrame(records)


def _minority_influence(row: Row, results: Path) -> float | None:
    """Mean over seeds of the influence of LRG-1 holders relative to other clients."""
    known = [r["minority_influence"] for e in row.experiments if (r := result(e, results))]
    known = [value for value in known if value is not None]
    return sum(known) / len(known) if known else None


def write(table: Table, results: Path, select: str) -> list[Path]:
    """Write report.md, summary.csv, runs.csv and the figures of a table; returns the files."""
    from experiments.figure import curves, group_bars, influence

    found = lines(table, results, select)
    text = markdown(table, found, results, select)
    folder = results / "reports" / table.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "report.md").write_text(text, encoding="utf-8")
        summary_frame(table, results).to_csv(folder / "summary.csv", index=False)
        frame(table, results).to_csv(folder / "runs.csv", index=False)
        curves(table, results, folder / "curves.png")
        group_bars(table, results, folder / "groups.png")
        influence(table, results, folder / "influence.png")
    except OSError as error:
        raise FedgroupError(f"cannot write the report to {folder} ({error.strerror})") from error
    names = ("report.md", "summary.csv", "runs.csv", "curves.png", "groups.png", "influence.png")
    return [folder / name for name in names]
