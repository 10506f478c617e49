"""Which samples the attack of a run poisoned: poisons.csv in its directory."""

import csv

from fedgroup.attacks.attack import AttackWithBases, manifest
from fedgroup.errors import FedgroupError
from fedgroup.runs.run_directory import Run
from fedgroup.task import Task, load_splits, prepared_splits

COLUMNS = ("base", "base_group", "old_label", "new_label", "position", "pixels")
"""Index and group of the base, its label and the poison's, the poison's position in the training
split, 16 hex digits of the SHA-256 of its pixels; empty where the attack does not say its bases."""


def save_poisons(run: Run, task: Task) -> None:
    """Write a line for every poison, once per run; nothing where the run has none.

    Raises:
        FedgroupError: The run goes on, and its poisons are not those that it began with.
    """
    poisoned = prepared_splits(task).train
    if not poisoned.poison.any():
        return
    clean, attack = load_splits(task.data).train, task.attack
    bases = attack.bases(clean, task.attack_rng()) if isinstance(attack, AttackWithBases) else None
    if bases is not None and len(bases) != poisoned.poison.sum():
        bases = None  # an outsider's attack whose bases are something else
    poisons = manifest(clean, poisoned, bases)["poisons"]
    rows = [[poison[name] for name in COLUMNS] for poison in poisons]
    path = run.folder / "poisons.csv"
    if not path.exists():
        run.table("poisons", COLUMNS, rows)
        return
    with path.open(encoding="utf-8", newline="") as file:
        stored = [line[-2:] for line in csv.reader(file)][1:]
    if stored != [[str(value) for value in row[-2:]] for row in rows]:
        raise FedgroupError(
            f"{path} lists other poisons than are made here now: were they made on another device, "
            f"or with other threads or another torch? delete {run.folder} and run it again"
        )
