"""How far the signals of a finished run separate poisons from the tiers: the separability report."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fedgroup.dataset import GroupedDataset
from fedgroup.device import pick
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import cells
from fedgroup.methods.central_run import Central
from fedgroup.methods.central_trainer import make_stage
from fedgroup.methods.epic import EPIC
from fedgroup.methods.identification import error_set
from fedgroup.methods.jtt import JTT
from fedgroup.methods.stage import Stage
from fedgroup.probes.separability import compare
from fedgroup.probes.signals import DISCRETE, Floats, eliminations, signals
from fedgroup.probes.strip_probe import finished_task
from fedgroup.run_directory import read_json, read_lines
from fedgroup.seeding import rng
from fedgroup.spec import build
from fedgroup.task import Task, placed_splits

Report = dict[str, dict[str, dict[str, Any]]]
"""Separability by signal and tier; plain values, ready for JSON."""


@dataclass(frozen=True)
class Signals:
    """How well every signal tells poisons from the tiers, on a finished run of JTT or EPIC.

    JTT: the signals after its first phase, of which misclassification is the one it looks at. The outputs
    after every epoch are not kept by a run, so the phase is trained once more, and cached. EPIC: the epoch
    at which it eliminated a sample, which bounds every rule that is built on when EPIC would drop.
    """

    epic: EPIC = EPIC()
    """How EPIC would select after JTT's first phase."""
    draws: int = 2000
    """Bootstrap resamples and relabellings."""

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise FedgroupError(f"draws must be at least 1, got {self.draws}")

    def run(self, folder: Path) -> dict[str, Any]:
        """The report on the run in `folder`: "signals" by name and tier, and numbers in percent.

        `values` has the rates at which the method selects poisons and LRG-1, their "gap", its "bound" (the
        total variation of the method's own signal) and the bound's "chance", and "tv NAME" and "auc NAME"
        of every signal, poisons against LRG-1.
        """
        task, method = finished_task(folder), _method(folder)
        if isinstance(method, EPIC):
            step, own = task.train.epochs, "elimination"
            report = self._of_eliminations(folder, task, method)
        else:
            step, own = method.identify_epochs, "misclassification"
            report = self._after_first_phase(folder, task, method)
        return {"step": step, "signals": report, "values": _values(report, own, folder)}

    def _of_eliminations(self, folder: Path, task: Task, method: EPIC) -> Report:
        if method.case != "standard":
            raise FedgroupError(
                f"{folder} ran EPIC in case {method.case}, which looks at groups: give a run of case standard"
            )
        found = eliminations(read_lines(folder, "selections"), task.train.epochs)
        if not len(found.get("poisons", ())):
            raise FedgroupError(
                f"{folder} trained without poisons: there is nothing to tell apart from the tiers"
            )
        tiers = {cell: values for cell, values in found.items() if cell != "HRG same class"}
        return separate_cells({"elimination": tiers}, task.seed, self.draws)

    def _after_first_phase(self, folder: Path, task: Task, method: JTT) -> Report:
        stage = _identification(task, method)
        data, step = stage.data, method.identify_epochs
        if not data.poison.any():
            raise FedgroupError(
                f"{folder} trained without poisons: there is nothing to tell apart from the tiers"
            )
        found = signals(stage, step, self.epic, task.seed)
        found["misclassification"] = error_set(
            stage.predictions(step, method.predictions), data
        ).astype(float)
        return separate(found, data, task.seed, self.draws)


def separate(
    found: Mapping[str, Floats], data: GroupedDataset, seed: int, draws: int = 2000
) -> Report:
    """Separability of the poisons of `data` (sample a) from each tier (sample b), by signal and tier.

    found holds signals (N,) by name. A tier without samples is absent.
    """
    masks = cells(data.group, data.poison, data.info.tiers)
    parted = {
        name: {cell: values[mask] for cell, mask in masks.items()} for name, values in found.items()
    }
    return separate_cells(parted, seed, draws)


def separate_cells(
    found: Mapping[str, Mapping[str, Floats]], seed: int, draws: int = 2000
) -> Report:
    """The same from values by signal and cell; every cell but "poisons" is a tier."""
    return {
        name: {
            tier: asdict(
                compare(
                    parted["poisons"],
                    values,
                    rng(seed, "signals", name, tier),
                    discrete=DISCRETE[name],
                    draws=draws,
                )
            )
            for tier, values in parted.items()
            if tier != "poisons" and len(values)
        }
        for name, parted in found.items()
    }


def _method(folder: Path) -> JTT | EPIC:
    spec = read_json(folder / "spec.json").get("method")
    method = None if spec is None else build(Central, {"method": spec}).method
    if not isinstance(method, JTT | EPIC):
        ran = "a federated strategy" if spec is None else spec["use"]
        raise FedgroupError(
            f"{folder} ran {ran}, which has no signal to look at: give a run of jtt or epic"
        )
    return method


def _values(report: Report, own: str, folder: Path) -> dict[str, float]:
    """The report in percent, poisons against LRG-1; empty where the data have no LRG-1."""
    result = read_json(folder / "result.json")
    rates = result.get("idnf") or result.get("elmf") or {}
    found = {name: tiers["LRG-1"] for name, tiers in report.items() if "LRG-1" in tiers}
    if own not in found or rates.get("poisons") is None:
        return {}
    values = {
        "selected poisons": rates["poisons"],
        "selected LRG-1": rates["LRG-1"],
        "gap": abs(rates["poisons"] - rates["LRG-1"]),
        "bound": 100 * found[own]["total_variation"]["value"],
        "chance": 100 * found[own]["total_variation_chance"],
    }
    for name, statistics in found.items():
        values[f"tv {name}"] = 100 * statistics["total_variation"]["value"]
        values[f"auc {name}"] = 100 * statistics["auc"]["value"]
    return values


def _identification(task: Task, method: JTT) -> Stage:
    """The first phase, as the trainer of a run makes it."""
    device = pick()
    train = placed_splits(task, device).train
    return make_stage(task, "identify", train, method.identify_config(task.train), device)
