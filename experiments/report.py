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
from fedgroup.attacks.none import NoAttack
from fedgroup.errors import FedgroupError, unknown
from fedgroup.record import read_json, read_lines, status
from fedgroup.selection import RULES
from fedgroup.spec import to_dict

METRICS = ("wga", "acc_adjusted", "acc")
ALL_METRICS = (*METRICS, "asr", "asr_base")
HEADS = {
    "wga": "WGA",
    "acc_adjusted": "ACC",
    "acc_paper": "ACC",
    "acc": "raw ACC",
    "asr": "ASR",
    "asr_base": "clean ASR",
}
RAW_ACC = ("celeba",)
"""Data sets on which the paper's ACC is plain accuracy; elsewhere it is weighted (spec group_methods D1)."""
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
        return Spread.of(self.values[metric]) if self.values.get(metric) else None


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


def measured(experiment: Experiment, results: Path, select: str) -> dict[str, float] | None:
    """Numbers of a finished run, in percent; None where it is not finished.

    asr is the attack's success (for a paired attack the rate minus the clean run's), asr_base the rate of
    the clean run of the same seed, where the attack asks for one; each is left out where it is unknown.
    """
    found = result(experiment, results)
    if found is None:
        return None
    chosen = found["selection"][select]
    values = {metric: float(chosen[metric]) for metric in METRICS}
    raw = found["dataset"]["name"] in RAW_ACC
    values["acc_paper"] = values["acc" if raw else "acc_adjusted"]
    for kind in ("idnf", "elmf"):
        rates = found.get(kind) or {}
        values |= {f"{kind} {cell}": rate for cell, rate in rates.items() if rate is not None}
    rate, clean = chosen.get("asr"), experiment.reference()
    base = None
    if clean is not None and (reference := result(clean, results)) is not None:
        base = reference["selection"][select].get("asr")
    paired = getattr(experiment.task.attack, "paired", False)
    if base is not None:
        values["asr_base"] = float(base)
    if rate is not None and (base is not None or not paired):
        values["asr"] = float(rate) - float(base) if paired and base is not None else float(rate)
    return values


def _line(row: Row, results: Path, select: str) -> Line:
    runs = [measured(experiment, results, select) for experiment in row.experiments]
    bases = [measured(experiment.baseline(), results, select) for experiment in row.experiments]
    if row.experiments[0].baseline().id == row.experiments[0].id:
        bases = [None] * len(runs)
    known = dict.fromkeys([*ALL_METRICS, *(m for run in runs for m in run or ())])
    values = {m: [run[m] for run in runs if run and m in run] for m in known}
    drops = {}
    for metric in ALL_METRICS:
        pairs = [(b or {}, r or {}) for b, r in zip(bases, runs, strict=True)]
        both = [(b[metric], r[metric]) for b, r in pairs if metric in b and metric in r]
        if both:
            drops[metric] = paired_drop([b for b, _ in both], [r for _, r in both])
    flags = []
    for experiment in row.experiments:
        found = result(experiment, results)
        if found and found.get("failed_rounds"):
            flags.append(f"{found['failed_rounds']} of {found['rounds']} rounds failed")
    if any(b and b["wga"] < NO_HEADROOM for b in bases):
        flags.append("no headroom")
    if values["wga"] and len(values["wga"]) < len(row.experiments):
        flags.append(f"n={len(values['wga'])}/{len(row.experiments)}")
    return Line(row, values, drops or None, len(row.experiments), tuple(dict.fromkeys(flags)))


def attacked(table: Table) -> bool:
    """True where some row of the table measures an attack."""
    return any(type(row.experiments[0].task.attack) is not NoAttack for row in table.rows)


def cell(mean: float, std: float) -> str:
    """Format 'mean ± std' with one decimal; a single seed has no std."""
    return f"{mean:.1f}" if math.isnan(std) else f"{mean:.1f} ± {std:.1f}"


def cells(table: Table, found: Sequence[Line]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the printed table."""
    labels = list(table.rows[0].label)
    shown = [key for key in _paper_columns(table) if key not in labels]
    values, drops = _columns(table, found)
    head = [
        *labels,
        *(head_of(metric) for metric in values),
        *(f"{head_of(metric)} drop" for metric in drops),
        *(f"paper: {k}" for k in shown),
        "notes",
    ]
    body = []
    for line in found:
        text = list(line.row.label.values())
        for metric in values:
            spread = line.spread(metric)
            text.append(cell(spread.mean, spread.std) if spread else "–" if line.values["wga"] else "not run")
        for metric in drops:
            drop = line.drops.get(metric) if line.drops else None
            text.append(cell(drop.spread.mean, drop.spread.std) if drop else "–")
        paper = table.paper.get(tuple(line.row.label.values()), {})
        text += [paper.get(key) or "–" for key in shown]
        text.append("; ".join(line.flags))
        body.append(text)
    if not any(row[-1] for row in body):
        head, body = head[:-1], [row[:-1] for row in body]
    return head, body


def head_of(metric: str) -> str:
    """Heading of a metric; cells of idnf and elmf carry their tier's name."""
    return HEADS.get(metric) or metric.removeprefix("idnf ").removeprefix("elmf ").upper()


def _columns(table: Table, found: Sequence[Line]) -> tuple[list[str], list[str]]:
    """Metrics of the printed table, and those whose drops against FedAvg follow."""
    drops = [*METRICS, *(["asr"] if attacked(table) else [])] if any(line.drops for line in found) else []
    if table.columns:
        return list(table.columns), drops
    values = ["wga", "acc_adjusted", *(["asr"] if attacked(table) else [])]
    if any(line.values["asr_base"] for line in found):
        values.append("asr_base")
    return values, drops


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
    first = done[0][0]
    task = first.task
    presets = sorted(
        {
            f"{line.row.label.get('METHOD', '')}: {rule.preset}"
            for line in found
            if (experiment := line.row.experiments[0]).method is None
            and hasattr(rule := experiment.federation.rule(), "preset")
        }
    )
    worst = done[0][1]["selection"]["final"]
    env = envs[0]
    packages = env["packages"]
    return [
        f"n = {'/'.join(str(c) for c in counted)} seed(s) of {list(table.seeds)}; ± is the sample standard "
        f"deviation (ddof=1)"
        + (
            ", for drops that of the paired differences. Drops are in percentage points, positive = worse "
            "than FedAvg."
            if any(line.drops for line in found)
            else "."
        ),
        f"Selection: {select}. ACC is weighted by the training proportions of the groups (the paper's "
        f"convention on Waterbirds); raw ACC is plain test accuracy.",
        f"Data {done[0][1]['dataset']['name']}, scale {table.scale or 'none'}, model "
        f"{type(task.model).__name__} ({done[0][1]['parameters']:,} parameters), {_training(first)}.",
        f"The worst group of the first run holds {worst['worst_group_samples']} test samples "
        f"(one sample = {100 / worst['worst_group_samples']:.2f} points).",
        *_attack_notes(table),
        *([f"SparseFed presets: {'; '.join(presets)}."] if presets else []),
        f"fedgroup {packages['fedgroup']} ({env['commit']}), torch {packages['torch']}, "
        f"flwr {packages['flwr']}, {env['device']}, {env['threads']} thread(s) per run, "
        f"{seconds / 60:.1f} minutes of run time in all.",
    ]


def _attack_notes(table: Table) -> list[str]:
    """Which attack, who carries it out, and how ASR is counted."""
    if not attacked(table):
        return []
    notes = []
    tasks = {e.task.attack: e.task for e in table.experiments() if type(e.task.attack) is not NoAttack}
    for attack, task in tasks.items():
        settings = ", ".join(f"{key} {value}" for key, value in to_dict(attack).items() if value is not None)
        who = "spread over all clients"
        if table.rows[0].experiments[0].method is not None:
            who = "in the training set"
        elif task.attackers.fraction:
            who = f"held by {100 * task.attackers.fraction:g} % of the clients ({task.attackers.among})"
        notes.append(
            f"Attack {type(attack).__name__} ({settings}), poisons {who}, attack seed {task.attack_seed}. "
            + (
                "ASR is the accuracy its target group lost against the clean run of the same seed."
                if attack.paired
                else "ASR is the share of attacked test samples on which the attacker wins."
            )
            + (
                " An ASR drop is FedAvg minus the defence: positive = the defence helps."
                if table.rows[0].experiments[0].method is None
                else ""
            )
        )
    return notes


def _training(experiment: Experiment) -> str:
    train, federation = experiment.task.train, experiment.federation
    step = f"lr {train.lr:g}, weight decay {train.weight_decay:g}, batch {train.batch_size}"
    if experiment.method is not None:
        return f"{train.epochs} epochs of final training, {step}"
    return (
        f"{federation.rounds} rounds, {_clients(experiment)} clients, {federation.fraction:g} of them per "
        f"round, {train.epochs} local epochs, {step}"
    )


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
            for select in RULES if found else ():
                chosen = found["selection"][select]  # type: ignore[index]
                values = measured(experiment, results, select) or {}
                record = {**row.label, "seed": seed, "selection": select, "run": experiment.id, **values}
                record["round"] = chosen.get("round")
                groups = found["dataset"]["groups"]  # type: ignore[index]
                record |= {f"group: {g}": v for g, v in zip(groups, chosen.get("groups", ()), strict=False)}
                if experiment.baseline().id != experiment.id:
                    other = measured(experiment.baseline(), results, select) or {}
                    record |= {f"{m}_drop": other[m] - values[m] for m in values if m in other}
                records.append(record)
    return pd.DataFrame(records)


def summary_frame(table: Table, results: Path) -> pd.DataFrame:
    """One line per row and selection rule: mean, std, n, unpaired std and t interval of each drop."""
    records = []
    for select in RULES:
        for line in lines(table, results, select):
            record: dict[str, Any] = {**line.row.label, "selection": select, "n": len(line.values["wga"])}
            for metric in ALL_METRICS if attacked(table) else METRICS:
                spread = line.spread(metric)
                record |= {
                    metric: spread.mean if spread else None,
                    f"{metric}_std": spread.std if spread else None,
                }
                if line.drops and metric in line.drops:
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
    found = [r.get("minority_influence") for e in row.experiments if (r := result(e, results))]
    known: list[float] = [value for value in found if value is not None]
    return sum(known) / len(known) if known else None


def write(table: Table, results: Path, select: str) -> list[Path]:
    """Write report.md, summary.csv, runs.csv and the figures of a table; returns the files."""
    from experiments.figure import curves, group_bars, influence, tension

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
        names = ["report.md", "summary.csv", "runs.csv", "curves.png", "groups.png"]
        if any(_minority_influence(row, results) is not None for row in table.rows):
            influence(table, results, folder / "influence.png")
            names.append("influence.png")
        if any(line.drops and "asr" in line.drops for line in found):
            tension(table, found, folder / "tension.png")
            names.append("tension.png")
    except OSError as error:
        raise FedgroupError(f"cannot write the report to {folder} ({error.strerror})") from error
    return [folder / name for name in names]
