"""A centralized run from start (or checkpoint) to result: one method on the whole training set."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedgroup import methods
from fedgroup.dataset import Splits
from fedgroup.device import pick
from fedgroup.errors import FedgroupError
from fedgroup.methods.central_trainer import Trainer
from fedgroup.model_selection import attack_rate, counts, metrics, summary
from fedgroup.run_directory import open_run, read_lines
from fedgroup.spec import component, run_id, to_dict
from fedgroup.task import Task, placed_splits, prepared_splits


@dataclass(frozen=True)
class Central:
    """How a task is trained in one place: the counterpart of a federation."""

    method: Any = component(methods.NAMES, "erm")
    """Training method: erm, jtt, group_dro, george, epic, epic_then_jtt or my_pkg.mod:MyMethod."""


def central_id(task: Task, method: Any) -> str:
    """Name of the run directory of a method on a task."""
    return run_id({"task": task, "central": Central(method)})


def centralise(task: Task, method: Any, results: Path) -> Path:
    """Run (or finish) one centralized experiment; returns its run directory.

    method is one of fedgroup.methods. task.train trains the final model; task.partition and
    task.attackers are not used. Everything random comes from task.seed, so an interrupted run that is
    started again ends with the records of an uninterrupted one.
    """
    folder = results / central_id(task, method)
    spec = {"task": to_dict(task), **to_dict(Central(method))}
    prepared_splits(task)  # what is wrong with the data is said before there is a folder
    with open_run(folder, spec) as run:
        if (folder / "result.json").exists():
            return folder
        found = run.resume()
        device = pick()
        splits = placed_splits(task, device)
        trainer = Trainer(run, task, splits, device, getattr(method, "eval_every", 1), found)
        method.run(splits, trainer)
        if not trainer.finished:
            raise FedgroupError(
                f"{type(method).__name__}.run ended without a final model: "
                f"it must call trainer.train() or use up trainer.epochs()"
            )
        run.finish(_result(folder, task, splits, trainer))
    return folder


def _result(folder: Path, task: Task, splits: Splits, trainer: Trainer) -> dict[str, Any]:
    """Everything derived from the records of a finished run."""
    rows, selections = read_lines(folder, "rounds"), read_lines(folder, "selections")
    info = splits.train.info
    shared = summary(rows, info, task.train.epochs)
    shared["selection"] |= _by_estimate(rows, info.train_counts)
    amplified = next((line for line in reversed(selections) if line["kind"] == "amplify"), None)
    eliminated = next((line for line in reversed(selections) if line["kind"] == "eliminate"), None)
    return {
        **shared,
        "hashes": {"layout": trainer.layout.hash()},
        "minority_influence": None,
        "parameters": trainer.layout.length("theta"),
        "idnf": None if amplified is None else _percent(amplified["found"]),
        "amplified": None if amplified is None else _percent(amplified["used"]),
        "elmf": None
        if eliminated is None
        else eliminated.get("elmf", _percent(eliminated["used"])),
        "selections": selections,
    }


def _percent(cells: dict[str, list[int]]) -> dict[str, float | None]:
    """Percentage selected per cell; None (printed N/A) where a cell has no samples."""
    return {name: 100.0 * n / of if of else None for name, (n, of) in cells.items()}


def _by_estimate(rows: list[dict[str, Any]], train_counts: Any) -> dict[str, dict[str, Any]]:
    """The first epoch of highest accuracy on the worst estimated group of val, where a method records it."""
    scored = [row for row in rows if "val_estimated" in row and row["round"] > 0]
    if not scored:
        return {}
    row = max(scored, key=lambda row: row["val_estimated"])
    values = {"round": row["round"], "val_wga": 100 * counts(row, "val").wga()}
    values |= metrics(counts(row, "test"), train_counts)
    return {"best_val_estimated": values | ({"asr": attack_rate(row)} if "attack" in row else {})}
