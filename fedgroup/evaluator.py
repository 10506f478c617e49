"""How good the model of a run is after a round or an epoch, and which one was the best so far."""

from typing import Any

import numpy as np
import torch
from torch import nn

from fedgroup.attacks.attack import Predict
from fedgroup.dataset import GroupedDataset, Ints
from fedgroup.layout import read
from fedgroup.predict import count, predict
from fedgroup.run_directory import Checkpoint, Run
from fedgroup.task import Task, attack_success, placed_splits, prepared_splits


class Evaluator:
    """Measures a model on val, on test and under the task's attack; keeps the best one in best.npz."""

    def __init__(
        self, run: Run, task: Task, device: torch.device, found: Checkpoint | None
    ) -> None:
        self.run, self.task, self.device = run, task, device
        self.splits = placed_splits(task, device)
        self.best = (-1.0, 0)
        """Highest validation WGA so far and its round: the first on ties; the start does not count."""
        if found is not None:
            wga, number = found.facts["best"]
            self.best = (float(wga), int(number))

    def __call__(self, number: int, model: nn.Module) -> tuple[dict[str, Any], Ints]:
        """What rounds.jsonl says of the model after round `number`, and val's predicted classes (N,).

        val and test hold the correct and all predictions per group; attack, where there is one, its hits.
        """

        def classes(view: GroupedDataset) -> Ints:
            return predict(model, view, self.device, self.task.train.precision)

        predicted = {"val": classes(self.splits.val), "test": classes(self.splits.test)}
        counts = {
            name: count(found, getattr(self.splits, name)) for name, found in predicted.items()
        }
        row = {
            name: {"correct": list(c.correct), "total": list(c.total)} for name, c in counts.items()
        }
        clean = prepared_splits(self.task).test
        hits = attack_success(self.task, remembering(classes, clean, predicted["test"]))
        if hits is not None:
            row["attack"] = {"hits": list(hits.correct), "total": list(hits.total)}
        wga = counts["val"].wga()
        if number and wga > self.best[0]:
            self.best = (wga, number)
            self.run.save("best", read(model).arrays())
        return row, predicted["val"]


def remembering(classes: Predict, test: GroupedDataset, predicted: Ints) -> Predict:
    """`classes`, save that unaltered images of `test` have their known classes, `predicted` (N,)."""
    if test.extra is not None:
        return classes
    by_row = np.full(len(test.bank), -1, np.int64)
    by_row[test.row] = predicted

    def answer(view: GroupedDataset) -> Ints:
        if view.bank is test.bank and view.extra is None and view.info is test.info:
            known = by_row[view.row]
            if (known >= 0).all():
                return known
        return classes(view)

    return answer
