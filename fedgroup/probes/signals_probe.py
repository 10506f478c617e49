"""How far the signals of a finished run separate poisons from the tiers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fedgroup.dataset import GroupedDataset
from fedgroup.device import pick
from fedgroup.errors import FedgroupError
from fedgroup.group_metrics import tier_masks
from fedgroup.methods.central_run import Central
from fedgroup.methods.epic import EPIC
from fedgroup.methods.jtt import JTT, error_set
from fedgroup.methods.stage import Stage, make_stage
from fedgroup.probes.finished_run import finished_task
from fedgroup.probes.separability import compare
from fedgroup.probes.signals import DISCRETE, Floats, eliminations, signals
from fedgroup.runs.run_directory import read_lines
from fedgroup.seeding import rng
from fedgroup.spec import build
from fedgroup.storage import read_json
from fedgroup.task import Task, placed_splits

Report = dict[str, dict[str, dict[str, Any]]]
"""Separability by signal and tier; plain values, ready for JSON."""


@dataclass(frozen=True)
class Signals:
    """How well every signal tells poisons from the tiers, on a finished run of JTT or EPIC.

    JTT: the signals after its first phase, of which misclassification is the one it looks at. The
    outputs after every epoch are not kept by a run, so the phase is trained once more, and cached.
    EPIC: the epoch at which it eliminated a sample, which bounds every rule that is built on when
    EPIC would drop.
    """

    epic: EPIC = EPIC()
    """How EPIC would select after JTT's first phase."""
    draws: int = 2000
    """Bootstrap resamples and relabellings."""

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise FedgroupError(f"draws must be at least 1, got {self.draws}")

    def run(self, folder: Path) -> dict[str, Any]:
        """Return the report on the run in `folder`: "signals" by name and tier, and numbers.

        `values` has, in percent, the rates at which the method selects poisons and LRG-1, their
        "gap", its "bound" (the total variation of the method's own signal) and the bound's
        "chance", and "tv NAME" and "auc NAME" of every signal, poisons against LRG-1.
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
                f"{folder} ran EPIC in case {method.case}, which looks at groups: "
                f"give a run of case standard"
            )
        by_tier = eliminations(read_lines(folder, "selections"), task.train.epochs)
        if not len(by_tier.get("poisons", ())):
            raise _without_poisons(folder)
        by_tier.pop("HRG same class", None)
        return separate_by_tier({"elimination": by_tier}, task.seed, self.draws)

    def _after_first_phase(self, folder: Path, task: Task, method: JTT) -> Report:
        stage = _identification(task, method)
        data, step = stage.data, method.identify_epochs
        if not data.poison.any():
            raise _without_poisons(folder)
        values = signals(stage, step, self.epic, task.seed)
        found = error_set(stage.predictions(step, method.predictions), data)
        values["misclassification"] = found.astype(float)
        return separate(values, data, task.seed, self.draws)


def separate(
    values: Mapping[str, Floats], data: GroupedDataset, seed: int, draws: int = 2000
) -> Report:
    """Compare the signals of poisons (sample a) with those of each tier (sample b).

    Args:
        values: Signals over the samples, (N,) by name.
        data: N samples, poisons marked.
        seed: Seed of resamples and relabellings.
        draws: Number of each.

    Returns:
        Separability by signal and tier; a tier without samples is absent.
    """
    masks = tier_masks(data.group, data.poison, data.info.tiers)
    by_tier = {
        name: {tier: signal[mask] for tier, mask in masks.items()}
        for name, signal in values.items()
    }
    return separate_by_tier(by_tier, seed, draws)


def separate_by_tier(
    values: Mapping[str, Mapping[str, Floats]], seed: int, draws: int = 2000
) -> Report:
    """Compare the signals of poisons with those of each tier, from values that are parted already.

    Args:
        values: Values by signal and tier; every tier but "poisons" is compared with it.
        seed: Seed of resamples and relabellings.
        draws: Number of each.

    Returns:
        Separability by signal and tier; a tier without samples is absent.
    """
    return {
        name: {
            tier: asdict(
                compare(
                    by_tier["poisons"],
                    signal,
                    rng(seed, "signals", name, tier),
                    discrete=DISCRETE[name],
                    draws=draws,
                )
            )
            for tier, signal in by_tier.items()
            if tier != "poisons" and len(signal)
        }
        for name, by_tier in values.items()
    }


def _without_poisons(folder: Path) -> FedgroupError:
    return FedgroupError(
        f"{folder} trained without poisons: there is nothing to tell apart from the tiers"
    )


def _method(folder: Path) -> JTT | EPIC:
    """Return the method of a finished run; refuse those that have no signal."""
    spec = read_json(folder / "spec.json").get("method")
    method = None if spec is None else build(Central, {"method": spec}).method
    if not isinstance(method, JTT | EPIC):
        ran = "a federated strategy" if spec is None else spec["use"]
        raise FedgroupError(
            f"{folder} ran {ran}, which has no signal to look at: give a run of jtt or epic"
        )
    return method


def _values(report: Report, own: str, folder: Path) -> dict[str, float]:
    """Return the report in percent, poisons against LRG-1; empty where there is no LRG-1."""
    result = read_json(folder / "result.json")
    rates = result.get("idnf") or result.get("elmf") or {}
    statistics = {name: tiers["LRG-1"] for name, tiers in report.items() if "LRG-1" in tiers}
    if own not in statistics or rates.get("poisons") is None:
        return {}
    values = {
        "selected poisons": rates["poisons"],
        "selected LRG-1": rates["LRG-1"],
        "gap": abs(rates["poisons"] - rates["LRG-1"]),
        "bound": 100 * statistics[own]["total_variation"]["value"],
        "chance": 100 * statistics[own]["total_variation_chance"],
    }
    for name, line in statistics.items():
        values[f"tv {name}"] = 100 * line["total_variation"]["value"]
        values[f"auc {name}"] = 100 * line["auc"]["value"]
    return values


def _identification(task: Task, method: JTT) -> Stage:
    """Return the first phase, as the trainer of a run makes it."""
    device = pick()
    train = placed_splits(task, device).train
    return make_stage(task, "identify", train, method.identify_config(task.train), device)
