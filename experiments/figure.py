"""Figures of a table: WGA and ACC by round, and the final accuracy of every group."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from experiments.experiment import Experiment
from experiments.table import Row, Table
from fedgroup.attacks.none import NoAttack
from fedgroup.record import read_json, read_lines, status
from fedgroup.selection import attack_rate, counts, metrics

matplotlib.use("Agg")

COLOURS = ("#1b1b1b", "#d1495b", "#edae49", "#00798c", "#6a4c93", "#66a182", "#8d6a9f", "#5c80bc")

LINES = {"no": "--", "non-iid": "--", "ideal": "--", "worst": ":"}
"""Line style by the last label: the split, or the case of an intervention."""


def _style(row: Row, methods: list[str]) -> dict[str, Any]:
    label = list(row.label.values())
    return {
        "color": COLOURS[methods.index(label[0]) % len(COLOURS)],
        "linestyle": LINES.get(label[-1].lower(), "-") if len(label) > 1 else "-",
    }


def _name(row: Row) -> str:
    label = list(row.label.values())
    if len(label) > 1 and label[1].lower() in ("yes", "no"):
        return f"{label[0]}, {'IID' if label[1].lower() == 'yes' else 'non-IID'}"
    return ", ".join(label)


def _series(experiment: Experiment, results: Path) -> dict[int, dict[str, Any]]:
    folder = results / experiment.id
    if status(folder) != "done":
        return {}
    train = read_json(folder / "result.json")["dataset"]["train_counts"]
    return {
        int(row["round"]): metrics(counts(row, "test"), train) | {"asr": attack_rate(row)}
        for row in read_lines(folder, "rounds")
        if "test" in row
    }


def curves(table: Table, results: Path, path: Path) -> None:
    """Draw WGA and ACC by round: one line per row, its mean over seeds, the range over seeds shaded."""
    methods = list(dict.fromkeys(next(iter(row.label.values())) for row in table.rows))
    panels = {"wga": "worst-group accuracy (WGA)", "acc_adjusted": "accuracy (ACC, training-weighted)"}
    if any(type(row.experiments[0].task.attack) is not NoAttack for row in table.rows):
        panels["asr"] = "attack success (rate of this run)"
    step = "round" if table.rows[0].experiments[0].method is None else "epoch of the final training"
    figure, axes = plt.subplots(1, len(panels), figsize=(5.5 * len(panels), 4.2), layout="constrained")
    for row in table.rows:
        found = [s for e in row.experiments if (s := _series(e, results))]
        if not found:
            continue
        rounds = sorted(set.intersection(*(set(s) for s in found)))
        style = _style(row, methods)
        for axis, metric in zip(axes, panels, strict=True):
            values = np.array([[s[r].get(metric, np.nan) for r in rounds] for s in found], np.float64)
            axis.plot(rounds, values.mean(0), label=_name(row), linewidth=1.8, **style)
            if len(found) > 1:
                axis.fill_between(
                    rounds, values.min(0), values.max(0), alpha=0.12, color=style["color"], linewidth=0
                )
    for axis, title in zip(axes, panels.values(), strict=True):
        axis.set(xlabel=step, ylabel="percent of the test set", title=title, ylim=(0, 100))
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(fontsize=8, frameon=False)
    seeds = f"{len(table.seeds)} seed{'s' if len(table.seeds) > 1 else ''}"
    figure.suptitle(f"{table.title}  ({seeds})", fontsize=11)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def group_bars(table: Table, results: Path, path: Path) -> None:
    """Draw the final accuracy of every group, per row, as bars (mean over seeds)."""
    rows, heights = [], []
    groups: list[str] = []
    for row in table.rows:
        found = []
        for experiment in row.experiments:
            folder = results / experiment.id
            if status(folder) == "done":
                stored = read_json(folder / "result.json")
                groups = _with_tiers(stored["dataset"])
                found.append([np.nan if v is None else v for v in stored["selection"]["final"]["groups"]])
        if found:
            rows.append(row)
            heights.append(np.mean(found, axis=0))
    figure, axis = plt.subplots(figsize=(11, 4.2), layout="constrained")
    methods = list(dict.fromkeys(next(iter(row.label.values())) for row in table.rows))
    width = 0.8 / max(1, len(rows))
    for i, (row, height) in enumerate(zip(rows, heights, strict=True)):
        style = _style(row, methods)
        hatch = "//" if style["linestyle"] == "--" else None
        at = np.arange(len(groups)) + (i - (len(rows) - 1) / 2) * width
        axis.bar(
            at, height, width * 0.92, label=_name(row), color=style["color"], hatch=hatch, edgecolor="white"
        )
    axis.set_xticks(np.arange(len(groups)), groups)
    axis.set(
        ylabel="percent correct, final round", ylim=(0, 100), title=f"{table.title}: accuracy of every group"
    )
    axis.grid(axis="y", alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(fontsize=8, frameon=False, loc="outside right center")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def influence(table: Table, results: Path, path: Path) -> None:
    """Draw the influence of clients that hold LRG-1 samples, relative to the others (mean over rounds)."""
    rows, values = [], []
    for row in table.rows:
        found = []
        for experiment in row.experiments:
            folder = results / experiment.id
            if status(folder) == "done":
                ratio = read_json(folder / "result.json").get("minority_influence")
                if ratio is not None:
                    found.append(float(ratio))
        if found:
            rows.append(row)
            values.append(found)
    figure, axis = plt.subplots(figsize=(11, 0.6 + 0.45 * max(3, len(rows))), layout="constrained")
    methods = list(dict.fromkeys(next(iter(row.label.values())) for row in table.rows))
    for place, (row, found) in enumerate(zip(rows, values, strict=True)):
        style = _style(row, methods)
        hatch = "//" if style["linestyle"] == "--" else None
        axis.barh(place, np.mean(found), 0.7, color=style["color"], hatch=hatch, edgecolor="white")
        axis.plot(found, [place] * len(found), "o", color="#555555", markersize=4)
    axis.axvline(1, color="#555555", linewidth=1)
    axis.set_yticks(range(len(rows)), [_name(row) for row in rows])
    axis.invert_yaxis()
    axis.set(
        xlabel="influence of a client that holds LRG-1 samples / influence of one that does not",
        title=f"{table.title}: who is heard",
    )
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def tension(table: Table, lines: Sequence[Any], path: Path) -> None:
    """Draw what each defence buys (ASR drop) over what it costs (WGA drop), both against FedAvg.

    The diagonal is an even trade: one point of attack success for one point of worst-group accuracy.
    """
    figure, axis = plt.subplots(figsize=(8.4, 5.6), layout="constrained")
    methods = list(dict.fromkeys(next(iter(row.label.values())) for row in table.rows))
    shown = [line for line in lines if line.drops and "asr" in line.drops]
    shown.sort(key=lambda line: line.drops["asr"].spread.mean)
    for place, line in enumerate(shown):
        cost, buys = line.drops["wga"].spread, line.drops["asr"].spread
        colour = _style(line.row, methods)["color"]
        axis.errorbar(
            cost.mean,
            buys.mean,
            xerr=None if np.isnan(cost.std) else cost.std,
            yerr=None if np.isnan(buys.std) else buys.std,
            fmt="o",
            markersize=9,
            color=colour,
            capsize=3,
        )
        axis.annotate(  # above and below in turn, so that neighbours do not write over each other
            _name(line.row), (cost.mean, buys.mean), xytext=(8, 6 if place % 2 else -13),
            textcoords="offset points", fontsize=9, color=colour,
        )  # fmt: skip
    axis.plot(0, 0, "s", color=COLOURS[0], markersize=8)
    axis.annotate("FedAvg", (0, 0), xytext=(8, -14), textcoords="offset points", fontsize=9)
    low = min(*axis.get_xlim(), *axis.get_ylim())
    high = max(*axis.get_xlim(), *axis.get_ylim())
    axis.plot([low, high], [low, high], color="#999999", linewidth=1, linestyle=":", zorder=0)
    axis.axhline(0, color="#555555", linewidth=0.8, zorder=0)
    axis.axvline(0, color="#555555", linewidth=0.8, zorder=0)
    axis.margins(0.18)
    axis.set(
        xlabel="what it costs: drop of worst-group accuracy, points",
        ylabel="what it buys: drop of attack success, points",
        title=f"{table.title}",
    )
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.2)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def matching_loss(trace: NDArray[np.float32], path: Path) -> None:
    """Draw gradient matching's loss by step: one line per restart, `trace` (restarts, steps)."""
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    for restart, losses in enumerate(trace):
        axis.plot(np.arange(1, len(losses) + 1), losses, color=COLOURS[restart % len(COLOURS)],
                  label=f"restart {restart + 1}: {losses[0]:.2f} to {losses[-1]:.2f}")  # fmt: skip
    axis.set(
        xlabel="step", ylabel="matching loss", title="Gradient matching: 1 − cosine to the target gradient"
    )
    axis.legend(fontsize=8, frameon=False)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _with_tiers(dataset: dict[str, Any]) -> list[str]:
    tier = {g: name for name, members in dataset["tiers"].items() for g in members}
    return [f"{name}\n{tier.get(g, '')}" for g, name in enumerate(dataset["groups"])]
