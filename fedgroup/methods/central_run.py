"""A centralized run from start (or checkpoint) to result: one method on the whole training set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedgroup import methods
from fedgroup.dataset import Splits
from fedgroup.device import pick
from fedgroup.errors import FedgroupError
from fedgroup.guards.surroundings import component_call, name_of
from fedgroup.identity.run_identity import identity
from fedgroup.methods.central_trainer import Trainer
from fedgroup.methods.method import TrainingMethod, evaluation_interval
from fedgroup.model_selection import attack_rate, counts, metrics, summary
from fedgroup.runs.poison_table import save_poisons
from fedgroup.runs.result_file import read_result
from fedgroup.runs.run_directory import RESULT, open_run, read_lines
from fedgroup.spec import component, to_dict
from fedgroup.task import Task, forget_changed_data, placed_splits, prepared_splits


@dataclass(frozen=True)
class Central:
    """How a task is trained in one place: the counterpart of a federation."""

    method: TrainingMethod = component(methods.NAMES, "erm")
    """Training method: erm, jtt, group_dro, george, epic, epic_then_jtt or my_pkg.mod:MyMethod."""


def central_id(task: Task, method: TrainingMethod) -> str:
    """Return the name of the run directory of a method on a task."""
    return identity({"task": task, "central": Central(method)}).id


def centralise(task: Task, method: TrainingMethod, results: Path) -> Path:
    """Run (or finish) one centralized experiment.

    Everything random comes from task.seed, so an interrupted run that is started again ends with
    the records of an uninterrupted one. A finished one is left alone.

    Args:
        task: Data, attack, model and seed; task.train trains the final model. The partition and
            the malicious clients are not used.
        method: How to train.
        results: Folder of run directories.

    Returns:
        The run directory.

    Raises:
        FedgroupError: where the method ends without a final model.
    """
    forget_changed_data()
    found = identity({"task": task, "central": Central(method)})
    folder = results / found.id
    spec = found.spec({"task": to_dict(task), **to_dict(Central(method))})
    if (folder / RESULT).exists():
        read_result(folder)  # a finished run is left alone, a damaged one refused
        return folder
    prepared_splits(task)  # refuses bad data before there is a folder
    with open_run(folder, spec, found.places) as run:
        save_poisons(run, task)
        checkpoint = run.resume()
        device = pick()
        splits = placed_splits(task, device)
        interval, who = evaluation_interval(method), name_of(method, "run")
        trainer = Trainer(run, task, splits, device, interval, checkpoint, who)
        with component_call(method, "run", task.seed):
            method.run(splits, trainer)
        if not trainer.finished:
            raise FedgroupError(
                f"{type(method).__name__}.run ended without a final model: "
                f"it must call trainer.train() or use up trainer.epochs()"
            )
        run.finish(_result(folder, task, splits, trainer))
    return folder


def _result(folder: Path, task: Task, splits: Splits, trainer: Trainer) -> dict[str, Any]:
    """Return everything derived from the records of a finished run."""
    rows, selections = read_lines(folder, "rounds"), read_lines(folder, "selections")
    info = splits.train.info
    shared = summary(rows, info, task.train.epochs)
    shared["selection"] |= _by_estimate(rows, info.train_counts)
    amplified = next((line for line in reversed(selections) if line["kind"] == "amplify"), None)
    eliminated = next((line for line in reversed(selections) if line["kind"] == "eliminate"), None)
    return {
        **shared,
        "hashes": dict(trainer.records.facts),
        "minority_influence": None,
        "parameters": trainer.layout.length("theta"),
        "idnf": None if amplified is None else _percentages(amplified["found"]),
        "amplified": None if amplified is None else _percentages(amplified["used"]),
        "elmf": None
        if eliminated is None
        else eliminated.get("elmf", _percentages(eliminated["used"])),
        "selections": selections,
    }


def _percentages(tallies: Mapping[str, Sequence[int]]) -> dict[str, float | None]:
    """Return the percentage selected per tier; None (printed N/A) where it has no samples."""
    return {name: 100.0 * n / of if of else None for name, (n, of) in tallies.items()}


def _by_estimate(
    rows: Sequence[dict[str, Any]], train_counts: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """Return the epoch of highest val_estimated (the first on ties), where a method records it."""
    scored = [row for row in rows if "val_estimated" in row and row["round"] > 0]
    if not scored:
        return {}
    row = max(scored, key=lambda row: row["val_estimated"])
    values = {"round": row["round"], "val_wga": 100 * counts(row, "val").wga()}
    values |= metrics(counts(row, "test"), train_counts)
    if "attack" in row:
        values["asr"] = attack_rate(row)
    return {"best_val_estimated": values}
